"""A ranking model that is served: its verified bundle, and its tables bound to the items."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

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
        ModelError: It lacks a table.
    """

    def __init__(self, name: str, version: str, bundle: RankingBundle) -> None:
        self.name = name
        self.version = version
        self.bundle = bundle
        self.limits = RetrievalLimits(**bundle.spec.limits)
        """How many candidates each source adds at most."""
        if missing := [name for name in RankingTables.ARRAYS if name not in bundle.arrays]:
            raise ModelError(
                f"{bundle.directory / 'tables'}: expected {missing[0]}.npy, got none; train the model again"
            )
        feature_set = bundle.manifest.feature_set
        self.features: tuple[str, ...] = feature_set.features
        """The names of its features."""
        self.fingerprint: str = feature_set.fingerprint
        """Of its features, in hex."""
        self.bucket_micros = bundle.spec.bucket_seconds * 1_000_000
        """The width of the buckets that its items were counted in."""
        self._bound: tuple[_Bound, ...] = ()
        """The newest one first, and the one before: two epochs are used while one takes the place of the other."""

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score candidates: float64 of shape (rows,); only comparable within one list."""
        return self.bundle.scores(rows)

    def tables(self, items: ItemColumns) -> RankingTables:
        """Return the tables, bound to all items of some columns; only new ones are looked up.

        Columns that another thread made should be bound there first: a million items take a second.
        """
        known = self._bound
        for ids, tables in known:
            if tables.bound_items == len(items) and ids is items.ids:
                return tables
        before = RankingTables.restore(self.bundle.arrays)
        if known and known[0].tables.bound_items < len(items) and known[0].ids is items.ids:
            before = known[0].tables
        newest = _Bound(items.ids, before.bound(items))
        self._bound = (newest, *known[:1])
        return newest.tables


class _Bound(NamedTuple):
    """Tables that are bound to columns."""

    ids: list[str]
    """Of the columns that they are bound to, and of those of later epochs."""
    tables: RankingTables


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
