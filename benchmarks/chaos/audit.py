"""Whether what was acknowledged is what the store has: events lost or counted twice, states that differ, scores that lied."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import redis

from benchmarks.chaos.answers import Event, Kind, Score
from benchmarks.chaos.traffic import Traffic
from benchmarks.rig.server_parts import REVISION_BYTES, state_key
from benchmarks.rig.stored_events import read_events
from presage_featurizer import encode_state
from presage_training.replaying.replay import Replay

__all__ = ["Audit", "audit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What was found."""

    acknowledged: int
    """Events whose first sending was acknowledged, or a later one."""
    lost: int
    """Those among them that are in no stream."""
    twice: int
    """Events that are in the streams more than once, or that a score has seen more often than they were sent."""
    differing: int
    """Visitors whose stored state is not the replay of the streams, bit for bit."""
    stale: int
    """Scores without a flag that lack an event that was acknowledged before they were asked for, and that is not lost."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong but what the store itself may have lost."""
        return not (self.twice or self.differing or self.stale)


def audit(store: redis.Redis, traffic: Traffic) -> Audit:
    """Compare what was answered with what is stored; nothing may be sent meanwhile."""
    entries = [
        (event, fresh) for event, fresh in read_events(store) if event.user_id.startswith(traffic.user_id(0)[:-1])
    ]
    stored = Counter(event.event_id for event, _ in entries)
    lost = {event.id for event in traffic.events if event.acknowledged and event.id not in stored}
    replay = Replay()
    for event, fresh in entries:
        replay.fold(event, fresh=fresh)
    blobs = {user_id: store.get(state_key(user_id)) for user_id in replay.states}
    differing = sum(
        (blobs[user_id] or b"")[REVISION_BYTES:] != encode_state(state) for user_id, state in replay.states.items()
    )
    stale, impossible = _wrong_scores(traffic.events, traffic.scores, lost)
    return Audit(
        acknowledged=sum(event.acknowledged > 0 for event in traffic.events),
        lost=len(lost),
        twice=sum(number > 1 for number in stored.values()) + impossible,
        differing=differing,
        stale=stale,
    )


def _wrong_scores(events: list[Event], scores: list[Score], lost: Collection[str]) -> tuple[int, int]:
    """Count the scores that have seen fewer events than they had to, and those that have seen more than there were."""
    acknowledged: dict[int, list[float]] = defaultdict(list)
    sent: dict[int, list[float]] = defaultdict(list)
    for event in events:
        sent[event.user].append(event.sent)
        if event.acknowledged and event.id not in lost:
            acknowledged[event.user].append(event.acknowledged)
    for times in (*acknowledged.values(), *sent.values()):
        times.sort()
    stale = impossible = 0
    for score in scores:
        if score.kind is Kind.OK:
            stale += score.seen < bisect_right(acknowledged[score.user], score.sent)
            impossible += score.seen > bisect_right(sent[score.user], score.ended)
    return stale, impossible
