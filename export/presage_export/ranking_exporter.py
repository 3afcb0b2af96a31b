"""Export a trained ranking model as a verified bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.coverage import MAX_GOLDEN_VISITS, count_visits
from presage_export.bundle.ensemble import Ensemble
from presage_export.bundle.manifest import FeatureSetSpec, Manifest
from presage_export.bundle.order import OrderReport, compare_order
from presage_export.bundle.ranking_spec import RankingSpec
from presage_export.bundle.ranking_writing import write_ranking_bundle
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.structure import check_structure
from presage_export.errors import BundleError, UnsupportedModelError
from presage_export.exporter import library_versions
from presage_export.gate import check_original
from presage_export.golden_rows import choose_golden_rows
from presage_export.graph import build_graph
from presage_export.reading.importances import name_importances
from presage_export.reading.source_model import read_source_model

__all__ = ["export_ranking_model"]

_GOLDEN_GROUPS = 16
_GOLDEN_GROUP_ROWS = 4_096
_MAX_GATE_ROWS = 20_000
_MOST_OF_VISITS = 2
"""The groups may take this part of the golden rows' work: one half."""


def export_ranking_model(
    trained: Any,
    directory: Path,
    *,
    rows: NDArray[np.float32],
    groups: Sequence[int],
    arrays: Mapping[str, NDArray[np.generic]],
    feature_set: FeatureSetSpec,
    ranking: RankingSpec,
    objective: str,
    metrics: Mapping[str, float] | None = None,
    data: Mapping[str, str | int | float] | None = None,
    optional_files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> OrderReport:
    """Write a ranking model as a bundle, after checking that the export ranks as the model itself does.

    The same arguments give the same bytes.

    Args:
        trained: Any model that ``read_source_model`` accepts and whose margin is its score, such as a LightGBM Booster trained with
            ``lambdarank`` or ``rank_xendcg``, or an ``XGBRanker``.
        directory: The target; its name is the version, its parent's name the model's.
        rows: Real candidates for the parity check, float32 ``[N, F]``, one group after the other, at least 32.
        groups: The sizes of the groups; their sum is N.
        arrays: The tables by name.
        feature_set: The features of the rows.
        ranking: How the model was trained; ``groups`` and ``items`` are filled in here.
        objective: The training objective, for the manifest.
        metrics: Quality on held-out data, for the manifest.
        data: The training data, for the manifest.
        optional_files: Further files by name, of OPTIONAL_FILES.
        overwrite: Whether to replace an existing bundle.

    Returns:
        How many of the groups were compared, and in how many a near-tie came out in another order.

    Raises:
        ExportError: The model cannot be exported faithfully, or the directory exists already or its name is not a valid model name.
        ValueError: ``rows`` is not float32 ``[N, F]``, or the groups are not those of the rows.
        OSError: The directory cannot be written.
    """
    source = read_source_model(trained)
    if source.model.link != "identity":
        raise UnsupportedModelError(
            "objective",
            objective,
            why="its scores are probabilities, and ranking needs margins",
            instead="Train with lambdarank or rank_xendcg",
        )
    model_bytes = build_graph(source.model)
    model = OnnxModel(model_bytes)
    check_original(source, model, rows[:_MAX_GATE_ROWS])
    trees = len(source.model.trees)
    report = compare_order(source.margins(rows), model.margins(rows), groups, rows=rows, trees=trees)
    try:
        ensemble = check_structure(model_bytes, feature_count=source.model.feature_count)
        group_rows, sizes = _golden_groups(ensemble, rows, groups)
        golden_rows = np.concatenate([choose_golden_rows(ensemble, rows, others=len(group_rows)), group_rows])
        manifest = Manifest(
            name=directory.parent.name,
            version=directory.name,
            feature_set=feature_set,
            link="identity",
            objective=objective,
            trees=trees,
            metrics=dict(metrics or {}),
            data=dict(data or {}),
            libraries=library_versions(source.libraries),
            importances=name_importances(trained, rows, feature_set.features),
            ranking=msgspec.structs.replace(ranking, groups=sizes, items=len(arrays.get("digests", ()))),
        )
    except ValueError as error:
        raise BundleError(directory, str(error)) from error
    write_ranking_bundle(
        directory,
        manifest=manifest,
        model_bytes=model_bytes,
        golden_rows=golden_rows,
        golden_margins=source.margins(golden_rows),
        arrays=arrays,
        optional_files=optional_files,
        overwrite=overwrite,
    )
    return report


def _golden_groups(
    ensemble: Ensemble | None, rows: NDArray[np.float32], groups: Sequence[int]
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Take an even sample of the groups that have something to order, as many as can be checked on each load."""
    limit = _GOLDEN_GROUP_ROWS
    if ensemble is not None:
        limit = min(limit, MAX_GOLDEN_VISITS // _MOST_OF_VISITS // count_visits(ensemble, 1))
    starts = np.append(0, np.cumsum(groups))
    useful = [place for place, size in enumerate(groups) if 1 < size <= limit // _GOLDEN_GROUPS]
    chosen = useful[:: max(1, len(useful) // _GOLDEN_GROUPS)][:_GOLDEN_GROUPS]
    parts = [rows[starts[place] : starts[place + 1]] for place in chosen]
    return np.concatenate([rows[:0], *parts]), tuple(len(part) for part in parts)
