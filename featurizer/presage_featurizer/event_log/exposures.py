"""Exposures: which items a server ranked for a visitor, in which order, and what is needed to compute the ranking again.

An exposure is what was returned, not what was seen: impressions are VIEW_ITEM_LIST events that carry its ``rank_id``.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer.errors import CorruptStateError
from presage_featurizer.view import MAX_UNIX_MICROS

__all__ = ["EXPOSURE_ARRAYS", "Exposure", "decode_exposure", "encode_exposure"]


class Exposure(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """One response of Rank or NextItems. Columns are little-endian; those of candidates are in the order of descending score."""

    rank_id: str
    """The id of the response: 32 hexadecimal digits. It is also the seed of what was drawn at random."""
    user_id: str
    session_id: str
    """As the caller sent it; empty for the most recent session."""
    as_of_unix_micros: int
    """The moment that was ranked for."""
    last_event: bytes
    """See ``last_event_of``."""
    model: str
    model_version: str
    fingerprint: str
    """Of the model's features, in hex."""
    epoch: int
    """The number of the newest bucket whose counts the items had."""
    placement: str
    """As the caller named it; empty for the rules that hold everywhere."""
    next_items: bool
    """Whether NextItems was called, not Rank."""
    degraded: bool
    """Whether the visitor's history could not be read, so that the ranking is that of a visitor without one."""
    k: int
    """How many items were wanted."""
    budget_micros: int | None
    """What the visitor can spend; None if unknown."""
    cart_micros: int
    """What the visitor's cart costs."""
    anchor: int | None
    """The number of the digest of the item of the page; None without one."""
    candidates: bytes
    """uint64: the numbers of the digests of the items that were ranked."""
    sources: bytes
    """uint8 of each candidate: how it was found, as in ``SOURCES`` of ``presage_featurizer.ranking``."""
    given: bytes
    """uint16 of each candidate: its place among those that the caller named, from 1; 0 where Presage found it."""
    scores: bytes
    """float64 of each candidate."""
    prices: bytes
    """float64 of each candidate: the price that the rules used, in the shop's currency; 0 if unknown."""
    stocks: bytes
    """int64 of each candidate: the stock that the rules used; -1 if unknown."""
    blocked: bytes
    """uint8 of each candidate: whether it was blocked."""
    shown: bytes
    """uint16: the places, among the candidates, of the items that were returned, in the order of the list."""
    propensities: bytes
    """float64 of each item that was returned: the probability with which it got its place."""
    rules: tuple[tuple[str, ...], ...]
    """Of each item that was returned, the rules that moved it."""
    features: bytes = b""
    """float32 of shape (candidates, features of the model), row by row; empty unless it is part of the sample."""
    arm: int = 0
    """Which of the model's versions the visitor is assigned to: a number of ``presage.v1.Arm``."""
    arm_propensity: float = 1.0
    """The share of visitors that get this arm."""
    others: tuple[tuple[str, bytes], ...] = ()
    """Other versions of the model, and their scores, float64, of the same candidates in the same order. Each version saw the
    candidates by its own tables, and the caller saw the items in the order of ``scores``."""

    @property
    def digests(self) -> NDArray[np.uint64]:
        """The candidates; read-only."""
        return np.frombuffer(self.candidates, "<u8")

    @property
    def order(self) -> NDArray[np.uint16]:
        """The places of what was returned; read-only."""
        return np.frombuffer(self.shown, "<u2")

    @property
    def feature_rows(self) -> NDArray[np.float32]:
        """The features of the candidates, one row each; no columns if they were not logged; read-only."""
        count, values = len(self.digests), np.frombuffer(self.features, "<f4")
        return values.reshape(count, len(values) // count if count else 0)


EXPOSURE_ARRAYS = {
    "candidates": "<u8",
    "sources": "|u1",
    "given": "<u2",
    "scores": "<f8",
    "prices": "<f8",
    "stocks": "<i8",
    "blocked": "|u1",
    "shown": "<u2",
    "propensities": "<f8",
    "features": "<f4",
}
"""The types of the numbers in an exposure's columns."""

_CANDIDATE_COLUMNS = {"sources": 1, "given": 2, "scores": 8, "prices": 8, "stocks": 8, "blocked": 1}
"""Bytes of each candidate, by column."""
_PLACE_BYTES, _NUMBER_BYTES, _FLOAT_BYTES = 2, 8, 4
_decode = msgspec.msgpack.Decoder(Exposure).decode

encode_exposure: Callable[[Exposure], bytes] = msgspec.msgpack.Encoder().encode
"""Write an exposure as it is stored."""


def decode_exposure(encoded: bytes) -> Exposure:
    """Read a stored exposure.

    Raises:
        CorruptStateError: The bytes are not an exposure, or its columns do not fit together.
    """
    try:
        exposure = _decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptStateError(f"exposure: {error}") from error
    if not 0 <= exposure.as_of_unix_micros <= MAX_UNIX_MICROS:
        raise CorruptStateError(
            f"exposure: expected a time of 0 to {MAX_UNIX_MICROS} µs, got {exposure.as_of_unix_micros}"
        )
    count, rest = divmod(len(exposure.candidates), _NUMBER_BYTES)
    shown = len(exposure.rules)
    fits = (
        not rest
        and all(len(getattr(exposure, name)) == size * count for name, size in _CANDIDATE_COLUMNS.items())
        and len(exposure.shown) == shown * _PLACE_BYTES
        and len(exposure.propensities) == shown * _NUMBER_BYTES
        and all(len(scores) == count * _NUMBER_BYTES for _, scores in exposure.others)
        and (len(exposure.features) % (count * _FLOAT_BYTES) == 0 if count else not exposure.features)
    )
    if not fits or (shown and int(exposure.order.max()) >= count):
        raise CorruptStateError(f"exposure: expected columns of {count} candidates and {shown} items that fit together")
    return exposure
