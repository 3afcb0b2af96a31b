"""A ranking model that is served: its verified bundle, and its tables bound to the items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import BundleError, RankingBundle, load_ranking_bundle
from presage_featurizer import FeatureSetError
from presage_featurizer.ranking.definition import check_ranking_features
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.retrieval import RetrievalLimits
from presage_featurizer.ranking.tables import RankingTables
from presage_server.errors import ModelError

__all__ = ["RankingModel", "load_ranking_model"]


class RankingModel:
    """One version of a ranking model; equal only to itself, so that calls are grouped by version, not by name.

    Args:
        name: What calls name it by: the folder that it lies in.
        version: Which of that name it is: the folder in that one.
        bundle: Its verified bundle.

    Raises:
        TypeError: The bundle's limits are not those that this release knows.
    """

    def __init__(self, name: str, version: str, bundle: RankingBundle) -> None:
        self.name = name
        self.version = version
        self.bundle = bundle
        self.limits = RetrievalLimits(**bundle.spec.limits)
        """How many candidates each source adds at most."""
        feature_set = bundle.manifest.feature_set
        self.features: tuple[str, ...] = feature_set.features
        """The names of its features."""
        self.fingerprint: str = feature_set.fingerprint
        """Of its features, in hex."""
        self.bucket_micros = bundle.spec.bucket_seconds * 1_000_000
        """The width of the buckets that its items were counted in."""
        self._tables = RankingTables.restore(bundle.arrays)
        self._rows: Mapping[int, int] | None = None
        """Of the columns that they are bound to; shared by those of successive epochs."""

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score candidates: float64 of shape (rows,); only comparable within one list."""
        return self.bundle.scores(rows)

    def tables(self, items: ItemColumns) -> RankingTables:
        """Return the tables, bound to all items that there are now; only new ones are looked up."""
        if self._rows is not items.rows:
            self._tables, self._rows = RankingTables.restore(self.bundle.arrays).bound(items), items.rows
        elif self._tables.bound_items < len(items):
            self._tables = self._tables.bound(items)
        return self._tables


def load_ranking_model(directory: Path) -> RankingModel:
    """Verify and load one bundle of a ranking model, <name>/<version>; raises ModelError if it cannot be served."""
    try:
        bundle = load_ranking_bundle(directory)
        check_ranking_features(bundle.manifest.feature_set)
        return RankingModel(directory.parent.name, directory.name, bundle)
    except BundleError as error:
        raise ModelError(str(error)) from error
    except FeatureSetError as error:
        raise ModelError(f"{directory / 'manifest.json'}: feature_set.{error}") from error
    except TypeError as error:
        raise ModelError(f"{directory / 'manifest.json'}: ranking.limits: {error}; train the model again") from error
