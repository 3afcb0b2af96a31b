"""The compiled functions, loaded where rankings are made: that takes seconds, and once they were kept on disk half of one."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

__all__ = ["MAX_COMPILED_ITEMS", "Kernels", "kernels", "load_kernels"]

MAX_COMPILED_ITEMS = 128
"""Items of a visitor's history that the compiled functions take; states have 64."""


class Kernels(NamedTuple):
    """The compiled functions. They take arrays of certain types only, and the caller answers for their sizes."""

    find_rows: Callable[..., None]
    read_items: Callable[..., int]
    compare_items: Callable[..., tuple[int, bool]]
    score_near: Callable[..., bool]
    fill_features: Callable[..., bool]
    order_shown: Callable[..., int]
    find_reasons: Callable[..., None]


class _Loading:
    """What was loaded; once for each process."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.is_done = False
        self.kernels: Kernels | None = None


LOADING = _Loading()


def load_kernels() -> Kernels | None:
    """Load the compiled functions, which this process takes from now on; None where numba is not installed, or must not compile."""
    with LOADING.lock:
        if not LOADING.is_done:
            LOADING.kernels = _load()
            LOADING.is_done = True
    return LOADING.kernels


def kernels() -> Kernels | None:
    """Return the compiled functions if they were loaded: nobody should wait for them in the middle of something else."""
    return LOADING.kernels


def _load() -> Kernels | None:
    # Here, for numba takes half a second and 70 MB, which servers that do not rank can do without.
    try:
        import numba  # noqa: PLC0415
    except ImportError:
        return None
    if vars(numba.config).get("DISABLE_JIT"):
        return None
    from presage_featurizer.ranking.compiled import features, listing, nearness, visitors  # noqa: PLC0415

    return Kernels(
        find_rows=visitors.find_rows,
        read_items=visitors.read_items,
        compare_items=visitors.compare_items,
        score_near=nearness.score_near,
        fill_features=features.fill_features,
        order_shown=listing.order_shown,
        find_reasons=listing.find_reasons,
    )
