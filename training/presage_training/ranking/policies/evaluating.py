"""Estimates of a new policy from a log of rankings, of the lists that visitors saw, and of what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import Event
from presage_featurizer.event_log import Exposure
from presage_featurizer.event_log.catalogue import ArchivedChange
from presage_featurizer.events import EventType
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_training.errors import DatasetError
from presage_training.ranking.policies.impressions import Impressions, SeenList
from presage_training.ranking.policies.new_policy import NewPolicy
from presage_training.ranking.policies.off_policy import LoggedRounds, PolicyEstimate, Predictions, estimate_policy
from presage_training.ranking.policies.rewards import RewardModels

__all__ = ["PolicyEvaluation", "evaluate_policy"]

Floats = NDArray[np.float64]

_PROGRESS_EVENTS = 50_000
_SOURCE = 2
"""The feature that is a code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyEvaluation:
    """The value of a new policy, next to that of the logged one."""

    total: PolicyEstimate
    """For each list."""
    places: dict[int, PolicyEstimate]
    """For each place of a list, from 1."""
    skipped: dict[str, int]
    """Lists and items that could not be used, by reason."""


class _Ranking:
    """What a logged ranking and the new policy say, and no more: a log may have many."""

    __slots__ = ("candidates", "known", "propensities", "shares", "shown", "starts", "user_id")

    def __init__(self, exposure: Exposure, probabilities: Floats) -> None:
        self.user_id = exposure.user_id
        self.shown: list[tuple[int, int]] = [(int(exposure.digests[place]), int(place)) for place in exposure.order]
        """The number of the digest and the candidate's place of each item that was returned."""
        self.propensities = np.frombuffer(exposure.propensities, "<f8")
        prices = np.log1p(np.frombuffer(exposure.prices, "<f8"))
        self.known = np.stack([np.arange(len(prices)), np.frombuffer(exposure.sources, np.uint8), prices], axis=1)
        """What is known of each candidate before it is shown: its place by the logged score, how it was found, its price."""
        places, self.candidates = np.nonzero(probabilities)
        self.shares = probabilities[places, self.candidates]
        self.starts = np.searchsorted(places, np.arange(len(probabilities) + 1))

    def likely(self, place: int) -> tuple[NDArray[np.int64], Floats]:
        """Return the candidates that the new policy may put at a place, from 1, and their probabilities."""
        if place >= len(self.starts):
            return self.candidates[:0], self.shares[:0]
        here = slice(int(self.starts[place - 1]), int(self.starts[place]))
        return self.candidates[here], self.shares[here]


def evaluate_policy(
    events: Iterable[Event],
    exposures: Iterable[Exposure],
    policy: NewPolicy,
    *,
    changes: Iterable[ArchivedChange] = (),
    reward: EventType = EventType.SELECT_ITEM,
    clip: float | None = None,
    seed: int = 7,
    draws: int = 500,
    on_progress: Callable[[str], None] = lambda _: None,
) -> PolicyEvaluation:
    """Estimate what a policy would have brought.

    Args:
        events: About in the order of time: they also say what was known of items at each ranking.
        exposures: The logged rankings, in any order.
        policy: The new one.
        changes: What the catalogue said of items, in the order of their moments.
        reward: The type of event that counts.
        clip: The largest weight; None: no limit.
        seed: For draws and for the parts of the models.
        draws: Draws of visitors that each interval rests on.
        on_progress: Called now and then with a line for the user.

    Raises:
        DatasetError: The log has no rankings, or none of them was seen, or propensities are missing; the message says what to send.
    """
    waiting = sorted(exposures, key=lambda exposure: exposure.as_of_unix_micros, reverse=True)
    if not waiting:
        raise DatasetError(
            "the log has no rankings; serve with --exposures-share 1, and archive them with presage archive"
        )
    skipped: Counter[str] = Counter()
    rankings: dict[str, _Ranking] = {}
    impressions, replay = Impressions(reward), ItemReplay(ItemColumns())

    coming = iter(changes)
    change = next(coming, None)

    def change_until(unix_micros: int) -> None:
        nonlocal change
        while change is not None and change.place.unix_micros <= unix_micros:
            replay.add_change(change.change, change.place.unix_micros)
            change = next(coming, None)

    def rank_until(unix_micros: int) -> None:
        while waiting and waiting[-1].as_of_unix_micros <= unix_micros:
            exposure = waiting.pop()
            change_until(exposure.as_of_unix_micros)
            replay.close_before(exposure.as_of_unix_micros)
            if policy.reads(exposure):
                rankings[exposure.rank_id] = _Ranking(exposure, policy.probabilities(exposure, replay.columns))
            else:
                skipped["rankings whose features were not logged, or are not those of the model"] += 1

    for count, event in enumerate(events):
        if count % _PROGRESS_EVENTS == 0:
            on_progress(f"replaying, {count:,} events so far")
        rank_until(event.event_time_unix_micros)
        change_until(event.event_time_unix_micros)
        impressions.add(event)
        replay.add(event, event.event_time_unix_micros)
    if waiting:
        rank_until(waiting[0].as_of_unix_micros)
    skipped.update({"items shown without the id of a ranking": impressions.anonymous})
    skipped.update({f"{reward.name} of items without the id of a ranking": impressions.unattributed})
    on_progress("estimating")
    rounds, predictions = _Rounds(rankings, impressions.lists, skipped).gathered(seed)
    total = estimate_policy(rounds, predictions, clip=clip, seed=seed, draws=draws)
    places = {
        place: estimate_policy(*_at(place, rounds, predictions), clip=clip, seed=seed, draws=draws)
        for place in np.unique(rounds.places).tolist()
    }
    return PolicyEvaluation(total=total, places=places, skipped={why: many for why, many in skipped.items() if many})


class _Rounds:
    """Joins rankings and what was seen of them."""

    def __init__(self, rankings: dict[str, _Ranking], lists: dict[str, SeenList], skipped: Counter[str]) -> None:
        self._skipped = skipped
        self._rows: list[tuple[float, float, float, int, int, int]] = []
        self._shown: list[Floats] = []
        """Features of each round's item."""
        self._others: list[Floats] = []
        """Features of the items that the new policy may have put in its place."""
        self._shares: list[Floats] = []
        """Their probabilities."""
        visitors: dict[str, int] = {}
        for rank_id, seen in lists.items():
            if not seen.shown:
                skipped["lists that count without an impression"] += 1
            elif rank_id not in rankings:
                skipped["lists that were seen, but whose rankings were not logged"] += 1
            else:
                ranking = rankings[rank_id]
                self._add(ranking, seen, visitors.setdefault(ranking.user_id, len(visitors)))

    def _add(self, ranking: _Ranking, seen: SeenList, visitor: int) -> None:
        number = len(self._rows)  # of the list: that of its first round
        for item, (place, propensity) in seen.shown.items():
            if place > len(ranking.shown) or ranking.shown[place - 1][0] != item:
                self._skipped["items that were not shown where they were ranked"] += 1
                continue
            candidate = ranking.shown[place - 1][1]
            likely, shares = ranking.likely(place)
            self._rows.append(
                (
                    float(item in seen.rewarded),
                    propensity or float(ranking.propensities[place - 1]),
                    float(shares[likely == candidate].sum()),
                    visitor,
                    number,
                    place,
                )
            )
            self._shown.append(_features(ranking, place, np.array([candidate]))[0])
            self._others.append(_features(ranking, place, likely))
            self._shares.append(shares)

    def gathered(self, seed: int) -> tuple[LoggedRounds, Predictions]:
        """Return all rounds, and what models predict."""
        if not self._rows:
            why = "; ".join(f"{many:,} {reason}" for reason, many in self._skipped.items() if many)
            raise DatasetError(
                "no ranking of the log was seen: send VIEW_ITEM_LIST with each item's position, rank_id and propensity"
                + (f" ({why})" if why else "")
            )
        rewards, propensities, targets, *numbers = (np.array(column) for column in zip(*self._rows, strict=True))
        visitors, lists, places = (column.astype(np.int64) for column in numbers)
        rounds = LoggedRounds(
            rewards=rewards,
            propensities=propensities,
            targets=targets,
            visitors=visitors,
            lists=lists,
            places=places,
        )
        features = np.stack(self._shown)
        models = RewardModels(features, rewards, visitors, seed=seed, categorical=(_SOURCE,))
        sizes = np.array([len(shares) for shares in self._shares])
        round_of = np.repeat(np.arange(len(sizes)), sizes)
        others = models.predict(np.concatenate(self._others), models.folds[round_of])
        expected = np.bincount(round_of, others * np.concatenate(self._shares), len(sizes)).astype(np.float64)
        return rounds, Predictions(shown=models.predict(features, models.folds), expected=expected)


def _features(ranking: _Ranking, place: int, candidates: NDArray[np.int64]) -> Floats:
    return np.column_stack([np.full(len(candidates), float(place)), ranking.known[candidates]])


def _at(place: int, rounds: LoggedRounds, predictions: Predictions) -> tuple[LoggedRounds, Predictions]:
    here = rounds.places == place
    return (
        LoggedRounds(
            rewards=rounds.rewards[here],
            propensities=rounds.propensities[here],
            targets=rounds.targets[here],
            visitors=rounds.visitors[here],
            lists=rounds.lists[here],
            places=rounds.places[here],
        ),
        replace(predictions, shown=predictions.shown[here], expected=predictions.expected[here]),
    )
