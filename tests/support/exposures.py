"""Exposures for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from presage_featurizer import MAX_UNIX_MICROS
from presage_featurizer.event_log import EXPOSURE_ARRAYS, Exposure

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy
    from numpy.typing import NDArray

    from presage_export.registry import Assignment
    from presage_training.simulator.lists import ListRequest

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_AMOUNTS = st.integers(0, 2**63 - 1)


@st.composite
def any_exposure(draw: DrawFn) -> Exposure:
    """Make any exposure that can be read."""
    candidates = draw(st.integers(0, 6))
    shown = draw(st.permutations(range(candidates)))[: draw(st.integers(0, candidates))]
    rows = draw(st.sampled_from([0, 3])) if candidates else 0
    lengths = {"propensities": len(shown), "features": candidates * rows}

    def array(name: str) -> bytes:
        dtype = np.dtype(EXPOSURE_ARRAYS[name])
        elements: SearchStrategy[Any] = st_numpy.from_dtype(dtype)
        return draw(st_numpy.arrays(dtype, lengths.get(name, candidates), elements=elements)).tobytes()

    return Exposure(
        rank_id=draw(_TEXTS),
        user_id=draw(_TEXTS),
        session_id=draw(_TEXTS),
        as_of_unix_micros=draw(st.integers(0, MAX_UNIX_MICROS)),
        last_event=draw(st.binary(max_size=8)),
        model=draw(_TEXTS),
        model_version=draw(_TEXTS),
        fingerprint=draw(_TEXTS),
        epoch=draw(st.integers(-1, 2**40)),
        placement=draw(_TEXTS),
        next_items=draw(st.booleans()),
        degraded=draw(st.booleans()),
        k=draw(st.integers(1, 1_000)),
        budget_micros=draw(st.none() | _AMOUNTS),
        cart_micros=draw(_AMOUNTS),
        anchor=draw(st.none() | st.integers(0, 2**64 - 1)),
        shown=np.array(shown, "<u2").tobytes(),
        rules=tuple(tuple(draw(st.lists(_TEXTS, max_size=2))) for _ in shown),
        arm=draw(st.integers(0, 3)),
        arm_propensity=draw(st.floats(0, 1)),
        others=tuple((version, array("scores")) for version in draw(st.lists(_TEXTS, max_size=2))),
        **{name: array(name) for name in EXPOSURE_ARRAYS if name != "shown"},
    )


def paired_exposure(
    request: ListRequest,
    rank_id: str,
    *,
    assigned: Assignment,
    served: str,
    scores: dict[str, NDArray[np.float64]],
    digests: NDArray[np.uint64],
    order: NDArray[np.intp],
    epoch: int = 0,
    anchor: int | None = None,
) -> Exposure:
    """Make the exposure of a list whose candidates several versions of ``ranking`` have scored.

    Args:
        request: What was asked for.
        rank_id: The list's.
        assigned: The visitor's arm.
        served: The version whose order is shown.
        scores: Of the candidates, by version.
        digests: Of the candidates.
        order: The candidates as ``served`` orders them; the first ``request.k`` are shown.
        epoch: The catalogue's.
        anchor: The digest of the item of the page.
    """
    count = len(order)
    shown = min(request.k, count)
    return Exposure(
        rank_id=rank_id,
        user_id=request.user_id,
        session_id=request.session_id,
        as_of_unix_micros=request.unix_micros,
        last_event=b"",
        model="ranking",
        model_version=served,
        fingerprint="",
        epoch=epoch,
        placement="",
        next_items=False,
        degraded=False,
        k=request.k,
        budget_micros=request.budget_micros,
        cart_micros=0,
        anchor=anchor,
        candidates=digests[order].astype("<u8").tobytes(),
        sources=bytes(count),
        given=bytes(2 * count),
        scores=scores[served][order].astype("<f8").tobytes(),
        prices=bytes(8 * count),
        stocks=bytes(8 * count),
        blocked=bytes(count),
        shown=np.arange(shown, dtype="<u2").tobytes(),
        propensities=np.ones(shown).tobytes(),
        rules=((),) * shown,
        arm=int(assigned.arm),
        arm_propensity=assigned.propensity,
        others=tuple(
            (version, of_other[order].astype("<f8").tobytes())
            for version, of_other in scores.items()
            if version != served
        ),
    )
