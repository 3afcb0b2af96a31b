"""The calls that are made under load: by scenario, spread over many visitors, in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

from benchmarks.rig.load import packed_call
from benchmarks.rig.visitors import simulated_states, user_id
from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_featurizer import CONVERSION, MICROS, featurize

__all__ = ["SCENARIOS", "Calls", "write_calls"]

_SERVICE = "/presage.v1.ScoringService/"
_CALLS = 20_000
_BATCH = 100

Call = tuple[str, bytes]
"""A method and a request."""
Calls = Callable[[Random, int, int], Iterator[Call]]
"""Makes endless calls from a random number generator, the number of visitors and the time in microseconds."""


def _score(random: Random, visitors: int, _now: int) -> Iterator[Call]:
    while True:
        request = scoring_service_pb2.ScoreRequest(user_id=user_id(random.randrange(visitors)))
        yield "Score", request.SerializeToString()


def _track(random: Random, visitors: int, _now: int, *, score: bool = False) -> Iterator[Call]:
    while True:
        # Without an id each one is a new event, however often it is sent.
        event = event_pb2.Event(
            user_id=user_id(random.randrange(visitors)),
            type=event_pb2.EVENT_TYPE_VIEW_ITEM,
            items=[
                event_pb2.Item(item_id=f"product-{random.randrange(500)}", category="shoes", brand="b", price=19.99)
            ],
        )
        yield "TrackEvent", scoring_service_pb2.TrackEventRequest(event=event, score=score).SerializeToString()


def _track_score(random: Random, visitors: int, now: int) -> Iterator[Call]:
    return _track(random, visitors, now, score=True)


def _score_batch(random: Random, visitors: int, _now: int) -> Iterator[Call]:
    while True:
        targets = [scoring_service_pb2.ScoreTarget(user_id=user_id(random.randrange(visitors))) for _ in range(_BATCH)]
        yield "ScoreBatch", scoring_service_pb2.ScoreBatchRequest(targets=targets).SerializeToString()


def _score_vectors(random: Random, _visitors: int, now: int, *, count: int = 1) -> Iterator[Call]:
    rows = [featurize(state, now, CONVERSION).tolist() for state in simulated_states(now)[:500]]
    while True:
        vectors = [prediction_pb2.FeatureVector(values=random.choice(rows)) for _ in range(count)]
        yield "ScoreVectors", scoring_service_pb2.ScoreVectorsRequest(vectors=vectors).SerializeToString()


def _score_vectors_batch(random: Random, visitors: int, now: int) -> Iterator[Call]:
    return _score_vectors(random, visitors, now, count=_BATCH)


def _mixed(random: Random, visitors: int, now: int) -> Iterator[Call]:
    scores, events = _score(random, visitors, now), _track(random, visitors, now)
    while True:
        yield next(events)
        for _ in range(4):
            yield next(scores)


SCENARIOS: Mapping[str, Calls] = {
    "score": _score,
    "track": _track,
    "track_score": _track_score,
    "score_batch_100": _score_batch,
    "score_vectors_1": _score_vectors,
    "score_vectors_100": _score_vectors_batch,
    "mixed_1_4": _mixed,
}
"""By permanent names: a scenario whose calls change gets another."""


def write_calls(scenario: str, path: Path, *, visitors: int, now_unix_micros: int, seed: int = 1) -> list[str]:
    """Write a scenario's calls as ``load.cc`` reads them.

    Returns:
        The paths of their methods, in the order of their numbers in the file.
    """
    methods: dict[str, int] = {}
    calls = SCENARIOS[scenario](Random(seed), visitors, now_unix_micros // MICROS * MICROS)
    with path.open("wb") as file:
        for _ in range(_CALLS if "batch" not in scenario and "100" not in scenario else _CALLS // 20):
            method, request = next(calls)
            place = methods.setdefault(method, len(methods))
            file.write(packed_call(place, request))
    return [_SERVICE + method for method in methods]
