"""User-kNN: a baseline that needs the items of all visitors, and so no table can give it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["NearestVisitors"]

Floats = NDArray[np.float64]

_NEAREST_VISITORS = 100
_MAX_VISITORS = 50_000


class NearestVisitors:
    """The visitors whose items are the most similar, by the cosine.

    Args:
        visitors: The matrix of visitors by table rows, of ``TableBuilder.visitors``; of more than 50,000, the newest are searched.
    """

    def __init__(self, visitors: sparse.csr_array) -> None:
        newest = visitors[-_MAX_VISITORS:]
        lengths = np.sqrt(np.maximum(1, np.diff(newest.indptr)))
        self._visitors = (sparse.diags_array(1.0 / lengths) @ newest).tocsr()
        self._of_items = self._visitors.T.tocsr()

    def scores(self, table_rows: NDArray[np.int64]) -> Floats:
        """Score all items, by table row, for a visitor with these."""
        similarity = np.asarray(self._of_items[table_rows].sum(axis=0)).ravel()
        nearest = np.lexsort((np.arange(len(similarity)), -similarity))[:_NEAREST_VISITORS]
        return np.asarray(similarity[nearest] @ self._visitors[nearest])
