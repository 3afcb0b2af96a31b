"""The calls of a load: by scenario, spread over many visitors, in an order that depends on a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from benchmarks.rig.load import Calls, pack_call
from benchmarks.rig.visitors import simulated_states, user_id
from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_featurizer import CONVERSION, MICROS, featurize

__all__ = ["SCENARIOS", "Call", "save_calls", "write_calls"]

_SERVICE = "/presage.v1.ScoringService/"
_CALLS = 20_000

Call = tuple[str, bytes]
"""A method and a request."""
CallMaker = Callable[[Random, int, int], Iterator[Call]]
"""Makes endless calls from a random number generator, the number of visitors and the time in microseconds."""


def _score(random: Random, visitors: int, _now: int) -> Iterator[Call]:
    while True:
        request = scoring_service_pb2.ScoreRequest(user_id=user_id(random.randrange(visitors)))
        yield "Score", request.SerializeToString()


def _event(random: Random, visitors: int) -> event_pb2.Event:
    """Make a view of a product; without an id, it counts as a new event however often it is sent."""
    return event_pb2.Event(
        user_id=user_id(random.randrange(visitors)),
        type=event_pb2.EVENT_TYPE_VIEW_ITEM,
        items=[event_pb2.Item(item_id=f"product-{random.randrange(500)}", category="shoes", brand="b", price=19.99)],
    )


def _track(random: Random, visitors: int, _now: int, *, score: bool = False) -> Iterator[Call]:
    while True:
        request = scoring_service_pb2.TrackEventRequest(event=_event(random, visitors), score=score)
        yield "TrackEvent", request.SerializeToString()


def _track_events(random: Random, visitors: int, _now: int, *, count: int) -> Iterator[Call]:
    while True:
        events = [_event(random, visitors) for _ in range(count)]
        yield "TrackEvents", scoring_service_pb2.TrackEventsRequest(events=events).SerializeToString()


def _score_batch(random: Random, visitors: int, _now: int, *, count: int) -> Iterator[Call]:
    while True:
        targets = [scoring_service_pb2.ScoreTarget(user_id=user_id(random.randrange(visitors))) for _ in range(count)]
        yield "ScoreBatch", scoring_service_pb2.ScoreBatchRequest(targets=targets).SerializeToString()


def _score_vectors(random: Random, _visitors: int, now: int, *, count: int) -> Iterator[Call]:
    rows = [featurize(state, now, CONVERSION).tolist() for state in simulated_states(now)[:500]]
    while True:
        vectors = [prediction_pb2.FeatureVector(values=random.choice(rows)) for _ in range(count)]
        yield "ScoreVectors", scoring_service_pb2.ScoreVectorsRequest(vectors=vectors).SerializeToString()


def _mixed(random: Random, visitors: int, now: int) -> Iterator[Call]:
    scores, events = _score(random, visitors, now), _track(random, visitors, now)
    while True:
        yield next(events)
        for _ in range(4):
            yield next(scores)


SCENARIOS: Mapping[str, CallMaker] = {
    "score": _score,
    "track": _track,
    "track_score": partial(_track, score=True),
    "track_events_500": partial(_track_events, count=500),
    "score_batch_100": partial(_score_batch, count=100),
    "score_batch_1000": partial(_score_batch, count=1_000),
    "score_vectors_1": partial(_score_vectors, count=1),
    "score_vectors_100": partial(_score_vectors, count=100),
    "mixed_1_4": _mixed,
}
"""By permanent names: a scenario whose calls change gets another."""

_FILE_CALLS = {"track_events_500": 200, "score_batch_100": 1_000, "score_batch_1000": 100, "score_vectors_100": 1_000}
"""How many calls a file of a scenario holds, where each is large."""


def write_calls(scenario: str, file: Path, *, visitors: int, now_unix_micros: int, seed: int = 1) -> Calls:
    """Write a scenario's calls as the load generator reads them."""
    calls = SCENARIOS[scenario](Random(seed), visitors, now_unix_micros // MICROS * MICROS)
    return save_calls(file, islice(calls, _FILE_CALLS.get(scenario, _CALLS)))


def save_calls(file: Path, calls: Iterable[Call], *, service: str = _SERVICE) -> Calls:
    """Write calls of one service's methods as the load generator reads them."""
    methods: dict[str, int] = {}
    with file.open("wb") as out:
        for method, request in calls:
            out.write(pack_call(methods.setdefault(method, len(methods)), request))
    return Calls(file, [service + method for method in methods])
