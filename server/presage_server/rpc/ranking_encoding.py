"""Ranked lists as bytes, written by hand as the responses in ``encoding``: a list has up to a thousand items."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from presage.v1 import ranking_service_pb2 as pb
from presage.v1.prediction_pb2 import Arm, FeatureVector
from presage_featurizer.ranking.compiled import kernels
from presage_featurizer.ranking.definition import RANKING_FEATURES
from presage_server.ranking.jobs import RankedItems, RankJob, SimilarJob
from presage_server.rpc.encoding import encode_timings, tag_message

__all__ = ["encode_ranking", "encode_similar"]

_DOUBLE = Struct("<cd").pack
_SHORT = 128
"""Lengths below it are one byte."""
_MAX_COMBINATIONS = 4_096
_MOST_BYTES = 48
"""What is written of an item at most, beside its id and its reasons."""


def encode_ranking(job: RankJob) -> bytes:
    """Encode the ``RankResponse`` or ``NextItemsResponse`` of a job; their common fields have the same numbers."""
    parts = [tag_message(b"\x0a", job.rank_id.encode())]
    parts += _encode_items(job.items, b"\x12", job.model.features)
    if job.intent:
        parts.append(b"\x18%c" % job.intent)
    model = job.model
    flags = job.cold_start, job.degraded, job.no_session
    parts.append(_encode_basis(model.name, model.version, job.epoch, job.arm, flags))
    if job.include_timings:
        parts.append(tag_message(b"\x2a", encode_timings(job.call, job.stages).SerializeToString()))
    return b"".join(parts)


def encode_similar(job: SimilarJob) -> bytes:
    """Encode the ``SimilarItemsResponse`` of a job."""
    parts = _encode_items(job.items, b"\x0a", ())
    if job.cold:
        parts.append(b"\x10\x01")
    return b"".join(parts)


@lru_cache(maxsize=_MAX_COMBINATIONS)
def _encode_basis(model: str, version: str, epoch: int, arm: int, flags: tuple[bool, bool, bool]) -> bytes:
    cold_start, degraded, no_session = flags
    basis = pb.RankingBasis(
        model=model,
        model_version=version,
        epoch=epoch,
        cold_start=cold_start,
        degraded=degraded,
        no_session=no_session,
        arm=cast("Arm.ValueType", arm),
    )
    return tag_message(b"\x22", basis.SerializeToString())


def _encode_items(items: RankedItems, tag: bytes, names: tuple[str, ...]) -> list[bytes]:
    if items.features is None and not any(items.rules) and kernels() is not None:
        return [_write_items(items, tag)]
    parts = []
    for place, (item_id, score, source, cold, price, propensity) in enumerate(
        zip(items.ids, *(column.tolist() for column in _columns(items)), strict=True)
    ):
        encoded = item_id.encode()
        size, rules = len(encoded), items.rules[place]
        encoded = b"%b%b\x18%c%b%b%b%b%b" % (
            b"\x0a%c%b" % (size, encoded) if size < _SHORT else tag_message(b"\x0a", encoded),
            _DOUBLE(b"\x11", score) if score else b"",
            source,
            _REASONS[items.reasons[place]],
            b"\x28\x01" if cold else b"",
            _DOUBLE(b"\x31", propensity),
            _RULES[rules] if rules else b"",
            _DOUBLE(b"\x41", price) if price else b"",
        )
        if items.features is not None:
            vector = FeatureVector(feature_set=RANKING_FEATURES, names=names, values=items.features[place].tolist())
            encoded += tag_message(b"\x4a", vector.SerializeToString())
        parts.append(b"%b%c%b" % (tag, len(encoded), encoded) if len(encoded) < _SHORT else tag_message(tag, encoded))
    return parts


def _columns(items: RankedItems) -> tuple[NDArray[Any], ...]:
    return items.scores, items.sources, items.cold, items.prices, items.propensities


def _write_items(items: RankedItems, tag: bytes) -> bytes:
    """Encode items by the compiled function."""
    ids = "".join(items.ids)
    encoded, sizes = ids.encode(), list(map(len, items.ids))
    if len(encoded) > len(ids):  # not all of it is ASCII
        sizes = [len(item_id.encode()) for item_id in items.ids]
    words = [_REASONS[words] for words in items.reasons]
    reasons = b"".join(words)
    out = np.empty(len(encoded) + len(reasons) + _MOST_BYTES * len(words), np.uint8)
    written = _compiled_writer()(
        tag[0],
        encoded,
        np.array(sizes, np.int64),
        *_columns(items),
        reasons,
        np.array(list(map(len, words)), np.int64),
        out,
    )
    return out[:written].tobytes()


@lru_cache
def _compiled_writer() -> Callable[..., int]:
    from presage_server.rpc.compiled_items import write_items  # noqa: PLC0415 - needs Numba

    return cast("Callable[..., int]", write_items)


class _Words(dict[tuple[str, ...], bytes]):
    """Repeated fields of a few words each, encoded; there are only so many combinations of them."""

    def __init__(self, tag: bytes) -> None:
        super().__init__()
        self._tag = tag

    def __missing__(self, words: tuple[str, ...]) -> bytes:
        if len(self) >= _MAX_COMBINATIONS:
            self.clear()
        self[words] = encoded = b"".join([tag_message(self._tag, word.encode()) for word in words])
        return encoded


_REASONS, _RULES = _Words(b"\x22"), _Words(b"\x3a")
