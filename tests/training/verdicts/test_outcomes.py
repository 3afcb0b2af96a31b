"""Outcomes of scores: the labels that training would give the same moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace
from training.logs import act

from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.digests import digest
from presage_featurizer.event_log import ServedVector
from presage_training.datasets.dataset import build_dataset
from presage_training.datasets.targets import PurchaseInSession, PurchaseWithin, RevenueWithin
from presage_training.readers.formats.archive import ArchivedEvent
from presage_training.replaying.decisions import EveryEvent
from presage_training.verdicts.outcomes import Outcomes, find_outcomes
from presage_training.verdicts.reading import choose_rows, pairs_of
from support.events import MINUTE_MICROS, at
from support.made_up_logs import shop_events
from support.vectors import a_vector

VIEW, BUY = EventType.VIEW_ITEM, EventType.PURCHASE
LOG_END = act(minutes=100 * 24 * 60, user_id="closer")


def archived(events: Sequence[Event]) -> list[ArchivedEvent]:
    return [ArchivedEvent(event, fresh=False) for event in events]


def after(event: Event, **fields) -> ServedVector:
    """The pair of a visitor who was scored right after an event."""
    given = {"user_id": event.user_id, "session_id": event.session_id, "others": (("2", 0.5),)}
    return a_vector(
        **given | {"as_of_unix_micros": event.event_time_unix_micros, "last_event": digest(event.event_id)} | fields
    )


def matured(outcomes: Outcomes) -> dict[tuple[str, bytes], float]:
    """The labels that are known, by visitor and last event."""
    return {
        (outcome.vector.user_id, outcome.vector.last_event): outcome.label
        for outcome in outcomes.found
        if outcome.matured_unix_micros < outcomes.log_end_unix_micros
    }


@pytest.mark.parametrize(
    "target", [PurchaseInSession(ended_only=True), PurchaseWithin(2), RevenueWithin(2)], ids=lambda target: target.name
)
def test_labels_are_those_that_training_gives_the_same_moments(target):
    events = shop_events(visitors=120, days=9)
    outcomes = find_outcomes(archived(events), map(after, events), target)

    dataset = build_dataset(iter(events), decisions=EveryEvent(), target=target)
    visitors = list(dict.fromkeys(event.user_id for event in events))
    first = {event.user_id: position for position, event in reversed(list(enumerate(events)))}
    names = {first[visitor]: visitor for visitor in visitors}
    expected: dict[tuple[str, int], list[float]] = {}
    for visitor, time, label in zip(dataset.visitors, dataset.times_unix_micros, dataset.labels, strict=True):
        expected.setdefault((names[int(visitor)], int(time)), []).append(float(label))
    found: dict[tuple[str, int], list[float]] = {}
    for outcome in outcomes.found:
        if outcome.matured_unix_micros < outcomes.log_end_unix_micros:
            key = outcome.vector.user_id, outcome.vector.as_of_unix_micros
            found.setdefault(key, []).append(outcome.label)
    assert outcomes.unknown_event == 0
    assert len(expected) > 1_000
    assert np.mean([label for labels in expected.values() for label in labels]) > 0.0
    assert {key: sorted(labels) for key, labels in found.items()} == {
        key: pytest.approx(sorted(labels)) for key, labels in expected.items()
    }


def test_a_session_that_may_go_on_is_not_known_even_if_it_has_a_purchase():
    log = [act(VIEW, 0), act(BUY, 5)]
    closer = act(minutes=5 + 30, user_id="closer")
    pair = after(log[0])

    (waiting,) = find_outcomes(archived([*log, closer]), [pair], PurchaseInSession()).found
    assert waiting.matured_unix_micros == closer.event_time_unix_micros
    assert matured(find_outcomes(archived([*log, closer]), [pair], PurchaseInSession())) == {}
    later = replace(closer, event_time_unix_micros=closer.event_time_unix_micros + 1)
    assert list(matured(find_outcomes(archived([*log, later]), [pair], PurchaseInSession())).values()) == [1.0]


def test_scores_after_the_purchase_or_without_a_session_have_no_outcome():
    log = [act(VIEW, 0), act(BUY, 5), act(VIEW, 6)]
    much_later = after(log[2], as_of_unix_micros=at(6) + 31 * MINUTE_MICROS)
    stranger = a_vector(user_id="stranger", last_event=b"")

    pairs = [after(log[0]), after(log[1]), after(log[2]), much_later, stranger]
    outcomes = find_outcomes(archived([*log, LOG_END]), pairs, PurchaseInSession())

    assert [outcome.vector for outcome in outcomes.found] == [pairs[0]]
    assert outcomes.not_eligible == 4


def test_a_stranger_may_buy_within_the_days():
    stranger = a_vector(user_id="ann", last_event=b"", as_of_unix_micros=at(0))
    nobody = a_vector(user_id="bob", last_event=b"", as_of_unix_micros=at(0))
    log = [replace(act(BUY, 60), user_id="ann"), LOG_END]

    outcomes = find_outcomes(archived(log), [stranger, nobody], PurchaseWithin(1))

    assert [(outcome.vector.user_id, outcome.label) for outcome in outcomes.found] == [("ann", 1.0), ("bob", 0.0)]


def test_a_score_after_an_event_that_is_not_archived_is_counted():
    outcomes = find_outcomes(archived([LOG_END]), [after(act(VIEW, 0))], PurchaseInSession())

    assert (outcomes.found, outcomes.unknown_event) == ([], 1)


def test_one_score_of_each_session_counts_and_stays_chosen():
    log = [act(VIEW, minutes) for minutes in range(10)]
    second = [act(VIEW, 200 + minutes, session_id="s2") for minutes in range(10)]
    versions = "1", "2"

    def rows(events):
        outcomes = find_outcomes(archived([*events, LOG_END]), map(after, events), PurchaseInSession())
        return choose_rows(outcomes, "conversion", versions, PurchaseInSession())

    first, both = rows(log), rows([*log, *second])

    assert (len(first), first.unmatched.same_session) == (1, 9)
    assert (len(both), both.unmatched.same_session) == (2, 18)
    assert both.matured_unix_micros[0] == first.matured_unix_micros[0] < both.matured_unix_micros[1]
    assert set(both.users) == {0}


def test_a_pair_is_one_whoever_of_both_served():
    served = [
        a_vector(model_version="1", score=0.1, others=(("2", 0.2), ("3", 0.3))),
        a_vector(model_version="2", score=0.2, others=(("1", 0.1),)),
        a_vector(model_version="1", score=0.1),
        a_vector(model_version="3", score=0.3, others=(("1", 0.1),)),
        a_vector(model="other", model_version="1", score=0.1, others=(("2", 0.2),)),
    ]

    assert list(pairs_of(served, "conversion", ("1", "2"))) == served[:2]


def test_amounts_are_sums_in_units_of_the_currency():
    log = [act(VIEW, 0), replace(act(BUY, 5), value_micros=30 * MICROS), LOG_END]

    assert list(matured(find_outcomes(archived(log), [after(log[0])], RevenueWithin(1))).values()) == [30.0]
