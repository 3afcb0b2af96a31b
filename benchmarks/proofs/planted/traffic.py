"""Sends visitors' events to the server, and checks that each score comes from the version that the aliases assign."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.proofs.planted.bundles import CASES
from presage_client import AsyncClient, Prediction
from presage_export.registry import Aliases, Arm, assign, read_aliases
from presage_featurizer import Event
from presage_training.traffic.lanes import lane_of
from presage_training.traffic.sending import client_event

__all__ = ["Traffic"]

_LANES: Final = 8
_SCORED_EVERY: Final = 3
_WAIT_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.05


class Traffic:
    """Sends events, and has visitors scored after every third one with the model of each case.

    Args:
        client: Of the server.
        models: The folder that the server follows.
    """

    def __init__(self, client: AsyncClient, models: Path) -> None:
        self._client, self._models = client, models
        self._aliases = {case: read_aliases(models / case) for case in CASES}
        self._sent = 0
        self.entries = 0
        """What the streams hold at least: events, and the pairs of scores by models that have a challenger."""
        self.scores = 0
        self.wrong: list[str] = []
        """Scores that came from another version, or another arm, than the aliases say."""
        self.served: Mapping[str, Counter[str]] = defaultdict(Counter)
        """How many scores came from each version since the aliases of a case changed."""

    async def send(self, events: Sequence[Event]) -> None:
        """Send the next events, each visitor's in order."""
        lanes: list[list[tuple[Event, bool]]] = [[] for _ in range(_LANES)]
        for event in events:
            lanes[lane_of(event.user_id, _LANES)].append((event, self._sent % _SCORED_EVERY == 0))
            self._sent += 1
        await asyncio.gather(*map(self._send_lane, lanes))

    async def follow(self, case: str) -> None:
        """Wait until the server serves by the new aliases of a case, as a visitor sees who gets another version by them.

        Raises:
            RuntimeError: It does not.
        """
        before, after = self._aliases[case], read_aliases(self._models / case)
        moved = next(
            user for user in map("probe-{}".format, range(10_000)) if _version(before, user) != _version(after, user)
        )
        ends = time.monotonic() + _WAIT_SECONDS
        while (await self._score(case, moved)).model_version != _version(after, moved):
            if time.monotonic() > ends:
                raise RuntimeError(f"{case}: the server does not serve by revision {after.revision} of the aliases")
            await asyncio.sleep(_POLL_SECONDS)
        self._aliases[case] = after
        self.served[case].clear()

    async def _send_lane(self, lane: Sequence[tuple[Event, bool]]) -> None:
        for event, is_scored in lane:
            await self._client.track(client_event(event))
            self.entries += 1
            if is_scored:
                for case in CASES:
                    await self._check(case, event)

    async def _check(self, case: str, event: Event) -> None:
        aliases = self._aliases[case]
        expected = assign(aliases, event.user_id).arm, _version(aliases, event.user_id)
        prediction = await self._score(case, event.user_id, event)
        self.entries += bool(aliases.challenger)
        self.served[case][prediction.model_version] += 1
        if (prediction.arm, prediction.model_version) != expected:
            self.wrong.append(f"{case}: {event.user_id}: expected {expected}, got {prediction}")

    async def _score(self, case: str, user_id: str, event: Event | None = None) -> Prediction:
        self.scores += 1
        if event is None:
            return await self._client.score(user_id, model=case)
        return await self._client.score(
            user_id, session_id=event.session_id, model=case, as_of_unix_micros=event.event_time_unix_micros
        )


def _version(aliases: Aliases, user_id: str) -> str:
    match assign(aliases, user_id).arm:
        case Arm.CHALLENGER:
            return aliases.challenger
        case Arm.HOLDOUT:
            return aliases.prior
    return aliases.champion
