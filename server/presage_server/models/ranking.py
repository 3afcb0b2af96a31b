"""A ranking model that is served: its verified bundle, and its tables bound to the items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import BundleError
from presage_export.bundle.ranking import RankingBundle, load_ranking_bundle
from presage_featurizer import FeatureSetError
from presage_featurizer.ranking.definition import check_ranking_features
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.retrieval import RetrievalLimits
from presage_featurizer.ranking.tables import RankingTables
from presage_server.errors import ModelError

__all__ = ["RankingModel", "load_ranking_model"]

Rows = NDArray[np.int64]


class RankingModel:
    """One version of a ranking model; equal only to itself, so that calls are grouped by version, not by name.

    Args:
        name: What calls name it by: the folder that it lies in.
        version: Which of that name it is: the folder in that one.
        bundle: Its verified bundle.

    Raises:
        ValueError: The bundle's limits are not those that this release knows.
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
        self._tables = _Binding(RankingTables.restore(bundle.arrays))

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score candidates: float64 of shape (rows,); only comparable within one list."""
        return self.bundle.scores(rows)

    def tables(self, items: ItemColumns) -> RankingTables:
        """Return the tables, bound to all items that there are now."""
        return self._tables.bound(items)


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


class _Binding:
    """Tables and the columns that they are bound to. Columns only grow, and only what is new is looked up."""

    def __init__(self, tables: RankingTables) -> None:
        self._tables = tables
        self._order = np.argsort(tables.digests, kind="stable")
        self._sorted = tables.digests[self._order]
        self._items: ItemColumns | None = None
        self._columns_of = self._table_rows_of = np.zeros(0, np.int64)
        self._used = 0

    def bound(self, items: ItemColumns) -> RankingTables:
        size = len(items)
        if items is not self._items:
            self._items, self._used = items, 0
            self._columns_of = np.full(len(self._tables.digests), UNKNOWN, np.int64)
            self._table_rows_of = np.zeros(0, np.int64)
        elif size == self._used:
            return self._tables
        self._extend(items.digests[self._used : size], size)
        self._tables = replace(
            self._tables, columns_of=self._columns_of, table_rows_of=self._table_rows_of[: self._used]
        )
        return self._tables

    def _extend(self, digests: NDArray[np.uint64], size: int) -> None:
        if size > len(self._table_rows_of):
            more = np.full(max(1_024, size + size // 2 - len(self._table_rows_of)), UNKNOWN, np.int64)
            self._table_rows_of = np.concatenate([self._table_rows_of, more])
        if len(self._sorted):
            places = np.minimum(np.searchsorted(self._sorted, digests), len(self._sorted) - 1)
            known = np.flatnonzero(self._sorted[places] == digests)
            table_rows = self._order[places[known]]
            self._table_rows_of[self._used + known] = table_rows
            self._columns_of[table_rows] = self._used + known
        self._used = size
