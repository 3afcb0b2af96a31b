"""``python -m presage_server.explaining.explain_process`` explains vectors, out of the way of the process that serves.

It reads frames from stdin, a Project and then Questions, and writes an Answer to each.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage.v1 import model_service_pb2 as pb
from presage_export.bundle import Bundle, BundleError, NotExplainableError, open_verified_bundle
from presage_featurizer import FeatureSet
from presage_featurizer.custom import CustomFeatures
from presage_featurizer.wording import describe_contribution
from presage_server.explaining.messages import LENGTH_BYTES, Answer, Project, Question, pack
from presage_server.workers.priority import lower_priority

__all__ = ["explain_row", "main"]

_NICE = 10
_MAX_MODELS = 8
"""Opened bundles that are kept: a large one takes 100 MB."""


def main() -> None:
    """Answer what stdin asks, until it ends."""
    lower_priority(_NICE)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    first = _read(source)
    if first is None:
        return
    texts = msgspec.msgpack.decode(first, type=Project).texts
    custom = None if texts is None else CustomFeatures.parse(*texts)

    @lru_cache(_MAX_MODELS)
    def open_model(directory: str, digest: str) -> tuple[Bundle, FeatureSet]:
        bundle = open_verified_bundle(Path(directory), digest)
        assert isinstance(bundle, Bundle)
        return bundle, FeatureSet.restore(bundle.manifest.feature_set, custom)

    while (encoded := _read(source)) is not None:
        question = msgspec.msgpack.decode(encoded, type=Question)
        row = np.frombuffer(question.row, dtype=np.float32)
        try:
            bundle, feature_set = open_model(question.directory, question.digest)
            response = explain_row(bundle, feature_set, row, cold_start=question.cold_start)
            answer = Answer(question.number, response.SerializeToString())
        except (NotExplainableError, BundleError) as error:
            answer = Answer(question.number, not_explainable=str(error))
        except Exception as error:  # noqa: BLE001 - the call's own
            answer = Answer(question.number, failure=repr(error))
        sink.write(pack(answer))
        sink.flush()


def explain_row(
    bundle: Bundle, feature_set: FeatureSet, row: NDArray[np.float32], *, cold_start: bool
) -> pb.ExplainResponse:
    """Explain the score of one vector.

    Args:
        bundle: The model.
        feature_set: What the vector is made of.
        row: float32 ``[F]``, finite.
        cold_start: Whether the visitor has no history.

    Raises:
        NotExplainableError: The bundle lacks what is needed.
        ParityError: The contributions do not add up to the margin that is served.
    """
    explanation = bundle.explain(row)
    values = zip(feature_set.features, row.tolist(), explanation.contributions.tolist(), strict=True)
    return pb.ExplainResponse(
        score=bundle.scores(row[np.newaxis])[0],
        model=bundle.manifest.name,
        model_version=bundle.manifest.version,
        margin=explanation.margin,
        base_margin=explanation.base_margin,
        contributions=[
            pb.Contribution(
                feature=name,
                value=value,
                contribution=contribution,
                reason=describe_contribution(feature_set, name, value, contribution),
            )
            for name, value, contribution in values
        ],
        method=explanation.method,
        cold_start=cold_start,
    )


def _read(source: BinaryIO) -> bytes | None:
    """Read a frame; None at the end."""
    length = source.read(LENGTH_BYTES)
    return source.read(int.from_bytes(length, "big")) if len(length) == LENGTH_BYTES else None


if __name__ == "__main__":
    main()
