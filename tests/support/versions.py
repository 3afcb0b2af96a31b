"""Several versions of one model, served as some aliases say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from presage_export.registry import Aliases
from presage_featurizer import CONVERSION, FeatureSet
from presage_server.models.loading import load_model
from presage_server.models.model import Model
from presage_server.models.served import Models, Served
from support.bundles import write_small_bundle

__all__ = ["serve_versions", "write_versions"]


def write_versions(folder: Path, *, feature_sets: dict[str, FeatureSet] | None = None) -> dict[str, Model]:
    """Write versions 1 to 4 of ``conversion``, which differ, and load them; by version."""
    of_version = dict.fromkeys("1234", CONVERSION) | (feature_sets or {})
    loaded = {}
    for version, feature_set in of_version.items():
        write_small_bundle(folder, version=version, feature_set=feature_set, seed=int(version))
        loaded[version] = load_model(folder / "conversion" / version)
    return loaded


def serve_versions(loaded: dict[str, Model], **aliases: Any) -> Models:
    """Serve what aliases name of the loaded versions."""
    made = Aliases(champion="1", **aliases)
    named = {arm: loaded.get(getattr(made, arm)) for arm in ("challenger", "shadow", "prior")}
    return Models({"conversion": Served(champion=loaded["1"], aliases=made, **named)}, "conversion")
