from __future__ import annotations

import pytest

from presage_featurizer import CATALOGUE, Event, EventType, Segment, featurize
from presage_featurizer.feature_set import FeatureSet
from presage_featurizer.segments import LAPSED_AFTER_DAYS, segment_of
from support.events import DAY_MICROS, MINUTE_MICROS, at, event, fold_all

SEGMENTS = FeatureSet(name="segments", features=("user_segment_encoded",))
DAY = DAY_MICROS / MINUTE_MICROS


@pytest.mark.parametrize(
    ("orders", "sessions", "days_since_last_order", "expected"),
    [
        (0, 0, 0.0, Segment.NEW),
        (0, 1, 0.0, Segment.NEW),
        (0, 2, 0.0, Segment.RETURNING),
        (1, 1, 0.0, Segment.BUYER),
        (1, 9, 90.0, Segment.BUYER),
        (2, 1, 0.0, Segment.REPEAT_BUYER),
        (4, 9, 90.0, Segment.REPEAT_BUYER),
        (5, 1, 0.0, Segment.LOYAL),
        (50, 9, 90.0, Segment.LOYAL),
        (1, 1, 90.001, Segment.LAPSED),
        (50, 9, 90.001, Segment.LAPSED),
    ],
)
def test_rules(orders, sessions, days_since_last_order, expected):
    segment = segment_of(orders=orders, sessions=sessions, days_since_last_order=days_since_last_order)
    assert segment == expected


def test_numbers_are_those_of_the_feature():
    assert {segment.name.lower().replace("_", " "): segment.value for segment in Segment} == {
        "new": 0,
        "returning": 1,
        "buyer": 2,
        "repeat buyer": 3,
        "loyal": 4,
        "lapsed": 5,
    }
    assert CATALOGUE["user_segment_encoded"].high == max(Segment)


def segment_at(minutes: float, *events: Event) -> Segment:
    state = fold_all(events) if events else None
    return Segment(int(featurize(state, at(minutes), SEGMENTS).item()))


def test_a_visitor_moves_through_the_segments():
    orders = [event(EventType.PURCHASE, k * DAY) for k in range(1, 6)]
    assert segment_at(0) == Segment.NEW
    assert segment_at(0, event()) == Segment.NEW
    assert segment_at(60, event(), event(minutes=60)) == Segment.RETURNING
    assert segment_at(DAY, event(), *orders[:1]) == Segment.BUYER
    assert segment_at(2 * DAY, event(), *orders[:2]) == Segment.REPEAT_BUYER
    assert segment_at(5 * DAY, event(), *orders) == Segment.LOYAL
    assert segment_at((5 + LAPSED_AFTER_DAYS) * DAY, event(), *orders) == Segment.LOYAL
    assert segment_at((5 + LAPSED_AFTER_DAYS) * DAY + 1, event(), *orders) == Segment.LAPSED


def test_a_refund_alone_does_not_make_a_buyer():
    assert segment_at(0, event(EventType.REFUND, 0, value=5.0)) == Segment.NEW
