"""Ranking as where numba is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from presage_featurizer.ranking.compiled import loading


@contextmanager
def numpy_only() -> Iterator[None]:
    """Compute by numpy alone, whatever was loaded before."""
    before = loading.LOADING.kernels, loading.LOADING.is_done
    loading.LOADING.kernels, loading.LOADING.is_done = None, True
    try:
        yield
    finally:
        loading.LOADING.kernels, loading.LOADING.is_done = before
