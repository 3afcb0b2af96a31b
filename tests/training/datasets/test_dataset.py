from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from training.logs import act, shop

from presage_featurizer import CONVERSION, CORE, Device, EventType, FeatureSet, featurize, fold
from presage_training.datasets.dataset import build_dataset, check_labels, parse_feature_set, purchase_in_session
from presage_training.datasets.targets import PurchaseInSession, PurchaseWithin, RevenueWithin
from presage_training.errors import DatasetError
from presage_training.replaying.decisions import AtTypes, Calendar, EveryEvent, EveryNth
from support.events import MINUTE_MICROS, SHOE, SOCK, at

VIEW, ADD, BUY = EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE

LOG_END = act(minutes=100_000, user_id="closer", session_id="end")
"""Months later, so that every other session is known to be over; its own is not, and gives no row."""


def minutes_and_labels(*events) -> list[tuple[float, bool]]:
    dataset = purchase_in_session([*events, LOG_END])
    minutes = (dataset.times_unix_micros - at(0)) / MINUTE_MICROS
    return list(zip(minutes.tolist(), dataset.labels.tolist(), strict=True))


def test_rows_before_the_purchase_are_positive_and_none_follows():
    log = act(VIEW, 0), act(ADD, 1), act(BUY, 2), act(VIEW, 3), act(BUY, 4), act(VIEW, 5)

    assert minutes_and_labels(*log) == [(0, True), (1, True)]


def test_a_session_without_a_purchase_is_negative():
    assert minutes_and_labels(act(VIEW, 0), act(ADD, 1)) == [(0, False), (1, False)]


@pytest.mark.parametrize("names", [("s1", "s2"), ("", "")])
def test_a_purchase_counts_for_its_own_session_only(names):
    first, second = names
    log = (
        act(VIEW, 0, session_id=first),
        act(VIEW, 100, session_id=second),
        act(BUY, 101, session_id=second),
        act(VIEW, 200, session_id=first),
    )

    # A named session that is taken up again within a day is the same one; one that the fold keeps has ended.
    assert minutes_and_labels(*log) == [(0, False), (100, True), (200, False)]


def test_sessions_side_by_side_have_labels_of_their_own():
    log = (
        act(VIEW, 0, session_id="tab-1"),
        act(VIEW, 1, session_id="tab-2"),
        act(VIEW, 2, user_id="bob", session_id="tab-1"),
        act(ADD, 3, session_id="tab-1"),
        act(BUY, 4, session_id="tab-2"),
        act(VIEW, 5, session_id="tab-1"),
    )

    assert minutes_and_labels(*log) == [(0, False), (1, True), (2, False), (3, False), (5, False)]


def test_a_refund_gives_no_row_and_changes_no_label():
    log = act(VIEW, 0), act(EventType.REFUND, 1), act(VIEW, 2), act(BUY, 3), act(EventType.REFUND, 4)

    assert minutes_and_labels(*log) == [(0, True), (2, True)]


def test_a_duplicate_gives_no_row():
    log = act(VIEW, 0, event_id="e"), act(VIEW, 0, event_id="e"), act(VIEW, 7, event_id="e"), act(ADD, 8)

    assert minutes_and_labels(*log) == [(0, False), (8, False)]


def test_a_duplicate_purchase_does_not_sell_in_a_later_session():
    log = act(VIEW, 0), act(BUY, 1, event_id="b"), act(VIEW, 99, session_id="s2"), act(BUY, 100, event_id="b")

    assert minutes_and_labels(*log) == [(0, True), (99, False)]


def test_a_late_event_joins_the_session_of_its_time():
    log = act(VIEW, 10, session_id=""), act(VIEW, 2, session_id=""), act(BUY, 12, session_id="")
    dataset = purchase_in_session([*log, LOG_END])

    assert dataset.times_unix_micros.tolist() == [at(10), at(2)]
    assert dataset.labels.all()
    assert set(dataset.span_starts_unix_micros.tolist()) == {at(2)}
    assert set(dataset.span_ends_unix_micros.tolist()) == {at(12)}


def test_a_late_event_of_a_session_that_is_over_gives_no_row():
    log = act(VIEW, 0, session_id=""), act(VIEW, 90, session_id=""), act(BUY, 10, session_id="")

    assert minutes_and_labels(*log) == [(0, False), (90, False)]


def test_a_late_purchase_sells_in_its_session():
    log = act(VIEW, 0), act(VIEW, 5), act(BUY, 3), act(VIEW, 6)

    assert minutes_and_labels(*log) == [(0, True), (5, True)]


@pytest.mark.parametrize(("micros_before_end", "rows"), [(0, 1), (30 * MINUTE_MICROS, 1), (30 * MINUTE_MICROS + 1, 2)])
def test_a_session_that_may_go_on_beyond_the_log_gives_no_row(micros_before_end, rows):
    end = act(EventType.REFUND, 500, user_id="closer")
    last = replace(act(VIEW, user_id="bob"), event_time_unix_micros=end.event_time_unix_micros - micros_before_end)

    assert len(purchase_in_session([act(VIEW, 0), last, end])) == rows


def test_the_log_ends_with_its_newest_event_not_its_last_line():
    newest, late = (act(EventType.REFUND, minutes, user_id="closer") for minutes in (500, 1))

    assert len(purchase_in_session([act(VIEW, 0), newest, late])) == 1


def test_a_purchase_at_the_logs_end_is_known():
    dataset = purchase_in_session([act(VIEW, 0), act(BUY, 1), act(VIEW, 1, user_id="bob")])

    assert dataset.times_unix_micros.tolist() == [at(0)]
    assert dataset.labels.tolist() == [True]


@pytest.mark.parametrize(
    "feature_set",
    [CONVERSION, FeatureSet(name="here", features=CORE.features, time_zone="Europe/Paris", countries=("FR",))],
)
def test_a_row_is_what_the_server_would_have_served_right_after_the_event(feature_set):
    late = act(VIEW, 3.5, items=(SHOE, SOCK))
    log = [act(VIEW, 0, items=(SHOE,)), act(ADD, 3, items=(SOCK,)), act(VIEW, 4, session_id="s2", items=(SOCK,)), late]
    dataset = purchase_in_session([*log, LOG_END], feature_set)

    state = None
    for row, event in zip(dataset.features, log, strict=True):
        state = fold(state, event)
        served = featurize(state, event.event_time_unix_micros, feature_set, session_id=event.session_id)
        assert served.tobytes() == row.tobytes()
    assert dataset.features.dtype == np.float32


def falsified(event):
    """What might have happened instead at the same moment."""
    return replace(
        event,
        event_id=f"{event.event_id}-falsified",
        type=BUY if event.type is not BUY else VIEW,
        items=(SHOE, SOCK),
        device=Device.OTHER,
        value_micros=10**12,
    )


@pytest.fixture(scope="module")
def small_shop():
    return shop(visitors=60)


def middle_of_a_visit(events, share) -> int:
    """Find a place at about this share of the log where a visit goes on that will not buy."""
    buyers = {event.session_id for event in events if event.type is BUY}
    for place in range(round(len(events) * share), len(events)):
        session_id = events[place - 1].session_id
        if session_id not in buyers and any(event.session_id == session_id for event in events[place:]):
            return place
    raise AssertionError("no visit goes on there")


@pytest.mark.parametrize("share", [0.02, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
@pytest.mark.parametrize("change", ["deleted", "falsified"])
def test_no_row_sees_its_future(small_shop, share, change):
    whole = purchase_in_session([*small_shop, LOG_END])
    cut = middle_of_a_visit(small_shop, share)
    past, future = small_shop[:cut], small_shop[cut:]
    rows = len(purchase_in_session([*past, LOG_END]))
    changed = purchase_in_session([*past, *([] if change == "deleted" else map(falsified, future)), LOG_END])

    assert 0 < rows < len(whole)
    assert np.array_equal(whole.times_unix_micros[:rows], changed.times_unix_micros[:rows])
    assert np.array_equal(whole.features[:rows].view(np.uint32), changed.features[:rows].view(np.uint32))
    if change == "falsified":
        # The lie was told: what came of it differs, and so do the rows from then on.
        assert not np.array_equal(whole.labels[:rows], changed.labels[:rows])
        assert not np.array_equal(whole.features[rows : rows + 20], changed.features[rows : rows + 20])


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ([], "holds no event: name another log"),
        ([act(BUY, 0)], "no decision point, as .* other than purchases"),
        ([act(EventType.REFUND, 0)], "no decision point"),
        ([act(VIEW, 0), act(VIEW, 1)], "all 2 decision points are of sessions that may go on .* longer log"),
    ],
)
def test_a_log_without_rows_is_refused(log, message):
    with pytest.raises(DatasetError, match=message):
        purchase_in_session(log)


def test_the_log_is_described():
    log = [
        act(VIEW, 5, user_id="bob"),
        act(VIEW, 0, event_id="e"),
        act(VIEW, 0, event_id="e"),
        act(VIEW, 90, user_id="bob", session_id="s2"),
    ]
    facts = purchase_in_session(log).log

    assert (facts.events, facts.duplicates, facts.visitors) == (4, 1, 2)
    assert (facts.first_unix_micros, facts.last_unix_micros) == (at(0), at(90))
    assert (facts.decision_points, facts.censored) == (3, 1)


def test_rows_say_whose_they_are():
    log = [
        replace(act(VIEW, 0), device=Device.MOBILE, country="GB"),
        act(VIEW, 1, user_id="anonymous:1"),
        act(VIEW, 2, session_id="s2"),
        act(EventType.REFUND, 3),
        act(VIEW, 4, session_id="s2"),
        replace(act(VIEW, 5, user_id="anonymous:1"), device=Device.TABLET, country="DE"),
        act(minutes=3 * 24 * 60, user_id="closer"),
    ]
    dataset = build_dataset(log, decisions=EveryEvent(), target=PurchaseWithin(1))

    assert dataset.visitors.tolist() == [0, 1, 0, 0, 0, 1]
    assert dataset.sessions.tolist() == [0, 1, 2, -1, 2, 1]
    assert dataset.prefix_lengths.tolist() == [1, 1, 1, 0, 2, 2]
    assert dataset.known.tolist() == [True, False, True, True, True, False]
    assert dataset.devices.tolist() == [2, 0, 2, 2, 2, 3]
    assert dataset.countries.tolist() == ["GB", "", "GB", "GB", "GB", "DE"]
    assert dataset.span_starts_unix_micros.tolist() == dataset.times_unix_micros.tolist()


def test_taking_rows_takes_them_from_every_array():
    dataset = purchase_in_session(shop(visitors=60))
    chosen = dataset.prefix_lengths == 2
    part = dataset.take(chosen)

    assert 0 < len(part) < len(dataset)
    for name in dataset.__slots__:
        whole, taken = getattr(dataset, name), getattr(part, name)
        if isinstance(whole, np.ndarray):
            assert np.array_equal(taken, whole[chosen])
        else:
            assert taken is whole


def test_a_shifted_now_changes_what_depends_on_the_moment_and_nothing_else(small_shop):
    dataset, shifted = (
        build_dataset(
            small_shop, decisions=EveryEvent(), target=PurchaseInSession(), feature_set=CORE, now_shift_micros=shift
        )
        for shift in (0, -1_000_000)
    )
    changed = {
        name
        for name, now, then in zip(CORE.features, dataset.features.T, shifted.features.T, strict=True)
        if not np.array_equal(now, then)
    }

    assert {"session_duration_minutes"} <= changed
    assert changed <= {
        *("session_duration_minutes", "recency_days", "days_since_first_purchase", "hour_of_day", "day_of_week"),
        *("is_business_hours", "is_weekend", "month", "quarter", "bounce_rate", "user_segment_encoded"),
    }
    assert np.array_equal(dataset.labels, shifted.labels)
    assert np.array_equal(dataset.times_unix_micros, shifted.times_unix_micros)


def test_a_question_about_a_session_is_not_asked_without_one():
    with pytest.raises(DatasetError, match="purchase-in-session is defined right after an event, which daily is not"):
        build_dataset([act(VIEW, 0)], decisions=Calendar(), target=PurchaseInSession())


def test_decision_points_that_never_come_are_refused():
    log = [act(VIEW, 0), LOG_END]

    for decisions in (AtTypes(frozenset({BUY})), EveryNth(5)):
        with pytest.raises(DatasetError, match="the log gives no decision point, as it has no event that"):
            build_dataset(log, decisions=decisions, target=PurchaseWithin(1))


@pytest.mark.parametrize(
    ("target", "log", "message"),
    [
        (PurchaseWithin(1), [act(VIEW, 0)], "purchase-within:1 never happens, in all 1 rows"),
        (PurchaseWithin(1), [act(VIEW, 0), act(VIEW, 1), act(BUY, 2)], None),
        (PurchaseInSession(), [act(VIEW, 0), act(BUY, 2)], "purchase-in-session always happens, in all 1 rows"),
        (RevenueWithin(1), [act(VIEW, 0), act(VIEW, 1)], "revenue-within:1 is always 0, in all 2 rows"),
    ],
)
def test_a_target_of_one_kind_is_refused(target, log, message):
    dataset = build_dataset([*log, LOG_END], decisions=EveryEvent(), target=target)
    if message is None:
        check_labels(dataset)
    else:
        with pytest.raises(DatasetError, match=f"the target {message}: name another target or use a longer log"):
            check_labels(dataset)


def test_no_rows_are_refused():
    dataset = purchase_in_session([act(VIEW, 0), LOG_END])

    with pytest.raises(DatasetError, match="no rows to learn from"):
        check_labels(dataset.take(np.zeros(1, dtype=np.bool_)))


def test_feature_sets_are_read():
    assert parse_feature_set("conversion") is CONVERSION
    assert parse_feature_set("frequency, hour_of_day").features == ("frequency", "hour_of_day")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fancy", "expected one of conversion, .* got 'fancy'"),
        ("frequency,fanciness", r"'fanciness' is not in the catalogue"),
        ("frequency,frequency", "each once"),
    ],
)
def test_other_feature_sets_are_refused(text, message):
    with pytest.raises(DatasetError, match=f"feature set: .*{message}"):
        parse_feature_set(text)
