"""The visitors of the calls to the peers: simulated, with their features at one moment and the scores that have to result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import redis
from numpy.typing import NDArray

from benchmarks.rig.server_parts import reference_scores, state_key, stored_state
from benchmarks.rig.visitors import user_id
from presage_featurizer import CONVERSION, MICROS, State, featurize
from presage_training.replaying.replay import Replay
from presage_training.simulator import simulate

__all__ = ["FEATURES", "HASH_PREFIX", "Dataset", "Sample", "make_dataset"]

FEATURES = CONVERSION.features
"""The names of the features, in the model's order."""

HASH_PREFIX = "features:"
"""Ready feature values of a visitor stand in a Redis hash under this and the visitor's id."""

_START_UNIX_MICROS = 1_714_521_600 * MICROS  # Wednesday 2024-05-01 00:00 UTC
_DAYS = 30
_SIMULATED = 10_000
_KEYS_PER_ROUND_TRIP = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The visitors of one call, and the correct results."""

    user_ids: tuple[str, ...]
    rows: NDArray[np.float32]
    """Their features, one row for each."""
    scores: NDArray[np.float64]
    """Their scores by the reference: the shipped bundle, run by Presage's own code in this process."""
    as_of_unix_micros: int
    """The moment that all of this holds at."""
    item_ids: tuple[str, ...] = ()
    """The items to rank for one visitor; ``rows`` and ``scores`` are theirs then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Many visitors; some share what was simulated: visitor n has the state ``n % len(states)``."""

    visitors: int
    states: Sequence[State]
    rows: NDArray[np.float32]
    """One for each state."""
    scores: NDArray[np.float64]
    """One for each state."""
    as_of_unix_micros: int

    def samples(self, visitors: int, count: int) -> Iterator[Sample]:
        """Draw calls about a number of visitors each; the same ones on every run."""
        random = np.random.default_rng(11)
        for _ in range(count):
            drawn = random.integers(self.visitors, size=visitors)
            which = drawn % len(self.states)
            yield Sample(tuple(map(user_id, drawn)), self.rows[which], self.scores[which], self.as_of_unix_micros)

    def fill(self, redis_url: str) -> None:
        """Put every visitor into a store: the state as Presage keeps it, and the ready values as one hash."""
        blobs = [stored_state(state, self.as_of_unix_micros) for state in self.states]
        hashes = [dict(zip(FEATURES, map(repr, row), strict=True)) for row in self.rows.tolist()]
        with redis.Redis.from_url(redis_url) as store:
            for start in range(0, self.visitors, _KEYS_PER_ROUND_TRIP):
                pipeline = store.pipeline(transaction=False)
                for number in range(start, min(start + _KEYS_PER_ROUND_TRIP, self.visitors)):
                    name, which = user_id(number), number % len(self.states)
                    pipeline.set(state_key(name), blobs[which])
                    pipeline.hset(f"{HASH_PREFIX}{name}", mapping=hashes[which])
                pipeline.execute()

    def save(self, path: Path) -> None:
        """Write the visitors and their features to an ``.npz``, for peers that load a store of their own."""
        numbers = np.arange(self.visitors)
        names = np.array([user_id(number) for number in range(self.visitors)])
        np.savez(path, user_ids=names, rows=self.rows[numbers % len(self.states)], features=np.array(FEATURES))


def make_dataset(visitors: int) -> Dataset:
    """Simulate visitors over a month; the same ones on every run."""
    replay = Replay()
    simulated = min(visitors, _SIMULATED)
    events = simulate(seed=5, visitors=simulated, start_unix_micros=_START_UNIX_MICROS, days=_DAYS)
    for event in events:
        replay.fold(event)
    # After the last event, so that for many visitors the last session is over, and for some it goes on.
    as_of = events[-1].event_time_unix_micros + MICROS
    states = list(replay.states.values())
    rows = np.stack([featurize(state, as_of, CONVERSION) for state in states])
    scores = np.array(reference_scores(rows))
    return Dataset(visitors=visitors, states=states, rows=rows, scores=scores, as_of_unix_micros=as_of)
