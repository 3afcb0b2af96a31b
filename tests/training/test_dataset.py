from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from training.logs import act, shop

from presage_featurizer import CONVERSION, CORE, Device, EventType, FeatureSet, featurize, fold
from presage_training.dataset import Dataset, purchase_in_session, split_by_time
from presage_training.errors import DatasetError
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
    assert set(dataset.session_starts_unix_micros.tolist()) == {at(2)}
    assert set(dataset.session_ends_unix_micros.tolist()) == {at(12)}


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


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8, 0.9])
def test_the_first_part_was_over_before_the_second_began(share):
    dataset = purchase_in_session(shop(visitors=200))
    before, after = split_by_time(dataset, share)

    assert before.session_ends_unix_micros.max() < after.session_starts_unix_micros.min()
    assert before.times_unix_micros.max() < after.times_unix_micros.min()
    cut = dataset.times_unix_micros.min() + share * np.ptp(dataset.times_unix_micros)
    across = (dataset.session_starts_unix_micros < cut) & (dataset.session_ends_unix_micros >= cut)
    assert len(before) + len(after) + across.sum() == len(dataset)


def session(start, end, *labels) -> dict[str, list[int]]:
    return {
        "labels": list(labels),
        "times": np.linspace(start, end, len(labels)).astype(int).tolist(),
        "starts": [start] * len(labels),
        "ends": [end] * len(labels),
    }


def dataset_of(*sessions) -> Dataset:
    columns = {name: [each for one in sessions for each in one[name]] for name in ("labels", "times", "starts", "ends")}
    return Dataset(
        features=np.zeros((len(columns["labels"]), 1), dtype=np.float32),
        labels=np.array(columns["labels"], dtype=np.bool_),
        times_unix_micros=np.array(columns["times"], dtype=np.int64),
        session_starts_unix_micros=np.array(columns["starts"], dtype=np.int64),
        session_ends_unix_micros=np.array(columns["ends"], dtype=np.int64),
    )


def test_a_session_across_the_cut_is_in_neither_part():
    both = session(0, 9, 0, 0), session(1, 10, 1, 1)
    later = session(50, 60, 0), session(50, 100, 1, 1)
    before, after = split_by_time(dataset_of(*both, session(30, 70, 0, 0, 0), *later), 0.5)

    assert before.times_unix_micros.tolist() == [0, 9, 1, 10]
    assert after.times_unix_micros.tolist() == [50, 50, 100]
    assert after.labels.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([], "no rows"),
        ([session(0, 1, 0), session(2, 3, 1), session(0, 100, 0, 0)], "the part after 50% .* has 0 rows"),
        (
            [session(0, 1, 0), session(60, 70, 0), session(60, 100, 1, 1)],
            "the part before 50% .* 1 rows, 0 of them pos",
        ),
        (
            [session(0, 1, 1), session(60, 70, 0), session(60, 100, 1, 1)],
            "the part before 50% .* 1 rows, 1 of them pos",
        ),
        ([session(0, 1, 0), session(0, 1, 1), session(60, 100, 0, 0)], "the part after 50% .* 2 rows, 0 of them pos"),
    ],
)
def test_a_part_without_both_kinds_is_refused(sessions, message):
    with pytest.raises(DatasetError, match=message):
        split_by_time(dataset_of(*sessions), 0.5)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ([], "no decision point"),
        ([act(BUY, 0)], "no decision point: .* other than purchases"),
        ([act(EventType.REFUND, 0)], "no decision point"),
        ([act(VIEW, 0), act(VIEW, 1)], "all 2 decision points are of sessions that may go on .* longer log"),
    ],
)
def test_a_log_without_rows_is_refused(log, message):
    with pytest.raises(DatasetError, match=message):
        purchase_in_session(log)
