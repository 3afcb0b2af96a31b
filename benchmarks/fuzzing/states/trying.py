"""What a server does with a stored state, and what may come of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import msgspec
import numpy as np

from benchmarks.custom_features.__main__ import PROJECT
from benchmarks.ranking.world import World
from presage_featurizer import (
    FEATURE_SETS,
    CorruptStateError,
    Event,
    FeatureSet,
    State,
    StateError,
    decode_needed,
    decode_state,
    encode_state,
    featurize,
)
from presage_featurizer.custom import read_custom_features
from presage_featurizer.fold import fold_in_place
from presage_featurizer.ranking.assembling import Circumstances, context_of
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_featurizer.view import MAX_UNIX_MICROS
from presage_featurizer.wrong_clock import with_server_clock

__all__ = ["Trial"]

_RANKED_SHARE, _CANDIDATES = 0.1, 30
_DAY_MICROS = 86_400_000_000
_OWN = {"features of own", "folding"}
"""What needs slots. Which types these have is known to the declarations alone, so decoding cannot check it."""


class Trial:
    """Tries states.

    Args:
        world: Whose items are ranked.
        tables: Bound to its items.
        events: That are folded.
        now_unix_micros: The server's clock.
    """

    def __init__(self, world: World, tables: RankingTables, events: Sequence[Event], now_unix_micros: int) -> None:
        self._features = ItemFeatures(world.columns)
        self._tables = tables
        self._workspace = Workspace()
        self._rows = np.arange(_CANDIDATES)
        self._events = events
        self._now = now_unix_micros
        custom = read_custom_features(PROJECT)
        self._aggregates = custom.aggregates
        self._sets: Mapping[str, FeatureSet] = {**FEATURE_SETS, "own": custom.feature_set}
        days = (0, -400, 30)
        self._moments = (*(now_unix_micros + day * _DAY_MICROS for day in days), 0, MAX_UNIX_MICROS)

    def run(self, random: Random, blob: bytes, outcomes: dict[str, int]) -> Iterator[tuple[str, str]]:
        """Try a state; say what is wrong with what comes of it.

        Args:
            random: Chooses event and moment.
            blob: The state, without its revision.
            outcomes: Counts what came of it.
        """
        try:
            state = decode_state(blob)
        except CorruptStateError as error:
            outcomes["corrupt"] += 1
            if not str(error).isprintable() or len(str(error)) > 1_000:
                yield "an error is not one line", repr(str(error))[:300]
            return
        except StateError:
            outcomes["of a newer release"] += 1
            return
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
            yield f"decoding raises {type(error).__name__}", str(error)[:200]
            return
        outcomes["read"] += 1
        yield from self._use(random, blob, state, outcomes)

    def _use(self, random: Random, blob: bytes, state: State, outcomes: dict[str, int]) -> Iterator[tuple[str, str]]:
        now = random.choice(self._moments)
        session_id = random.choice(("", "tab-1"))
        step = ""
        try:
            step = "decoding what is needed"
            decode_needed(blob, frozenset())
            for name, feature_set in self._sets.items():
                step = f"features of {name}"
                row = featurize(state, now, feature_set, session_id=session_id)
                if not np.isfinite(row).all():
                    names = [feature_set.features[place] for place in np.flatnonzero(~np.isfinite(row))]
                    yield f"features are not finite: {names[:3]}", ""
            if random.random() < _RANKED_SHARE:
                step = "ranking"
                outcomes["ranked for"] += 1
                asked = Circumstances(max(now, 1), session_id)
                context = context_of(state, asked, self._features, self._tables, self._workspace)
                if not np.isfinite(pair_features(self._rows, context)).all():
                    yield "features of rankings are not finite", ""
            step = "folding"
            event = with_server_clock(random.choice(self._events), state, self._now)
            if fold_in_place(state, event, self._aggregates):
                outcomes["folded into"] += 1
            step = "encoding"
            encoded = encode_state(state)
            step = "decoding what was encoded"
            if msgspec.msgpack.encode(decode_state(encoded)) != encoded[5:]:
                yield "a state changes when it is read again", ""
            step = "features after an event"
            featurize(state, now, self._sets["conversion"])
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
            if step in _OWN and isinstance(error, TypeError | AttributeError | struct.error):
                outcomes["of slots of another type, for which a project's features fail alone"] += 1
            else:
                yield f"{step} raises {type(error).__name__}", str(error)[:200]
