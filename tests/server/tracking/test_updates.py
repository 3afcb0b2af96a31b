"""Remembered snapshots that are wrong, races that are lost, and events that wait for each other."""

from __future__ import annotations

from collections import Counter

import pytest

from presage.v1 import event_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import Event, EventType, decode_event, decode_state, encode_state, fold
from presage_server.errors import ContendedVisitorError, RpcError, StoreUnavailableError
from presage_server.store.keys import state_key
from presage_server.store.snapshot import REVISION_BYTES, Change, Snapshot, read_snapshot
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.stages import Stages
from presage_server.tracking.jobs import EventJob, Update
from presage_server.tracking.recent import RecentSnapshots
from presage_server.tracking.tracker import Tracker
from support.changes import NOTHING
from support.events import START_UNIX_MICROS
from support.pipelines import LocalCall, local_pipeline, track
from support.projects import custom_features
from support.proxies import in_thread, proxy
from support.stores import LocalStore, opened


def event_count(store: LocalStore, user_id: str = "u") -> int:
    return decode_state(store.blob(user_id)[REVISION_BYTES:]).sessions[0].event_count


def reads(store: LocalStore) -> int:
    return store.redis.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]


@pytest.fixture
def server(store, models):
    with opened(store) as view, local_pipeline(view, models) as local:
        yield local


@pytest.fixture
def other(store, models):
    with opened(store) as view, local_pipeline(view, models) as local:
        yield local


def test_a_visitor_whose_last_write_is_remembered_is_not_read(store, server):
    server.answer(track("u", "1"))
    store.redis.config_resetstat()
    server.answer(track("u", "2"))
    # The script's own GET is counted, too.
    assert reads(store) == 1
    assert event_count(store) == 2


def test_a_memory_that_is_out_of_date_is_corrected_by_the_compare_and_set(store, server, other):
    server.answer(track("u", "1"))
    other.answer(track("u", "2"))
    assert not server.answer(track("u", "3")).duplicate
    assert server.counted("presage_store_conflicts_total") == 1
    assert event_count(store) == 3
    assert server.answer(track("u", "2")).duplicate, "expected the other server's event to be known now"


@pytest.mark.parametrize("event_ids", [["1"], ["1", "2"], ["2", "1"]])
def test_a_store_that_was_flushed_meanwhile_takes_the_events_as_new(store, server, event_ids):
    """Also those that the memory takes for duplicates: what they duplicate is not there any more."""
    server.answer(track("u", "1"))
    store.redis.flushall()
    calls = [LocalCall(track("u", event_id)) for event_id in event_ids]
    server.run(*calls)
    assert [call.response.duplicate for call in calls] == [False] * len(calls)
    assert event_count(store) == len(event_ids)
    assert [entry.get(b"fresh") for entry in store.stream("u")] == [b"1", *[None] * (len(event_ids) - 1)]


def test_a_duplicate_that_only_the_memory_shows_is_confirmed_by_a_read(store, server):
    server.answer(track("u", "1"))
    before = store.everything()
    store.redis.config_resetstat()
    request = track("u", "1")
    request.score = True
    response = server.answer(request)
    assert (response.duplicate, response.prediction.cold_start) == (True, False)
    assert reads(store) == 1
    assert before == store.everything()
    assert server.counted("presage_scores_total", history="known") == 1


def test_an_event_that_another_server_counted_meanwhile_is_a_duplicate(store, server, other):
    server.answer(track("u", "1"))
    other.answer(track("u", "2"))
    assert server.answer(track("u", "2")).duplicate
    assert event_count(store) == 2


def test_an_expired_visitor_begins_again(store, server):
    server.answer(track("u", "1"))
    store.redis.delete(state_key("u"))
    assert not server.answer(track("u", "2")).duplicate
    assert event_count(store) == 1


def test_the_longest_unused_memory_goes_first():
    recent = RecentSnapshots(2)
    for user_id in "aba":
        recent.take(user_id)
        recent.put(user_id, Snapshot(None, user_id.encode()))
    recent.put("c", Snapshot(None, b"c"))
    assert [recent.take(user_id) for user_id in "abc"] == [Snapshot(None, b"a"), None, Snapshot(None, b"c")]
    assert recent.take("a") is None, "expected what was taken to be forgotten"
    without = RecentSnapshots(0)
    without.put("a", NOTHING)
    assert without.take("a") is None


def test_a_visitor_whose_write_failed_is_read_again(store, models):
    """Whether the change was made is not known."""
    with (
        in_thread(proxy(store)) as before_store,
        opened(store, url=before_store.url, timeout_seconds=0.2) as view,
        local_pipeline(view, models) as server,
    ):
        server.answer(track("u", "1"))
        with store.frozen():
            call = LocalCall(track("u", "2"))
            server.run(call)
            assert call.outcome == "UNAVAILABLE"
        while server.link.down:
            server.turn()
        assert server.answer(track("u", "2")).duplicate in {True, False}
        assert server.answer(track("u", "3")).duplicate is False
    assert event_count(store) == 3


@pytest.mark.parametrize("applied", [1, 30])
def test_events_that_wait_behind_an_update_whose_call_expired_are_applied(store, models, applied):
    """The first call's time ends while the store hangs; the calls behind it have more."""
    with opened(store, timeout_seconds=60.0) as view, local_pipeline(view, models) as server:
        server.answer(track("u", "first"))
        with store.frozen():
            late = LocalCall(track("u", "late"), seconds=0.1)
            server.turn(late)
            behind = [LocalCall(track("u", f"behind-{number}")) for number in range(applied)]
            expired = LocalCall(track("u", "expired"), seconds=0.1)
            server.turn(expired, *behind)
            server.finish(late, expired)
            assert (late.outcome, expired.outcome) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
        server.finish(*behind)
        assert [call.response.duplicate for call in behind] == [False] * applied
        assert server.answer(track("u", "late")).duplicate, "it was sent, and the store carried it out"
        assert not server.answer(track("u", "expired")).duplicate, "its turn came after its time"
        outcomes = [
            server.counted("presage_events_total", outcome=outcome) for outcome in ("applied", "duplicate", "refused")
        ]
    assert outcomes == [applied + 3, 1, 1]
    assert event_count(store) == applied + 3


def test_a_batch_whose_events_wait_for_another_call_gets_all_its_results(store, server):
    first = LocalCall(pb.TrackEventsRequest(events=[track("u", str(number)).event for number in range(100)]))
    second = LocalCall(pb.TrackEventsRequest(events=[track("u", str(number)).event for number in range(50, 150)]))
    server.run(first, second)
    results = [*first.response.results, *second.response.results]
    assert Counter(result.duplicate for result in results) == {False: 150, True: 50}
    assert event_count(store) == 150


class RacingStore:
    """A store in which another server is always faster. By default it forgets what that one wrote."""

    def __init__(self, *, forgets: bool = True) -> None:
        self.commits = 0
        self.forgets = forgets
        self.fails = False
        self.unanswered = []

    def commit(self, changes: list[Change], on_results) -> None:
        self.commits += 1
        if self.fails:
            on_results([StoreUnavailableError("down")] * len(changes))
            return
        found = [read_snapshot(change.blob(self.commits, b"wr")) for change in changes]
        self.unanswered.append((on_results, [NOTHING] * len(changes) if self.forgets else found))

    def divide(self, items):
        return [items]

    def answer(self) -> None:
        """Reply to all commits."""
        while self.unanswered:
            on_results, results = self.unanswered.pop(0)
            on_results(results)


class Jobs:
    """Events of one visitor for a tracker of their own, driven as the pipeline drives it."""

    def __init__(self, store: RacingStore) -> None:
        self.store = store
        self.tracker = Tracker(store, Metrics(), RecentSnapshots(), lambda _: None)
        self.results: list[tuple[bool, RpcError | None]] = []
        """Which events are duplicates, and the errors."""

    def job(self, event_id: str) -> EventJob:
        event = Event(event_id, EventType.PAGE_VIEW, "u", START_UNIX_MICROS)
        return EventJob(
            LocalCall(track()), event, Stages(0.0), lambda job, error: self.results.append((job.duplicate, error))
        )

    def start(self, *event_ids: str) -> list[Update]:
        updates = self.tracker.begin([self.job(event_id) for event_id in event_ids])
        for update in updates:
            update.snapshot = update.snapshot or NOTHING
        self.tracker.fold(updates, Stages(0.0))
        self.tracker.finish_unchanged(updates)
        return updates

    def finish(self) -> None:
        self.store.answer()
        while self.start():
            self.store.answer()
        assert not self.tracker._in_flight


def tracked(store: RacingStore, *event_ids: str) -> list[tuple[bool, RpcError | None]]:
    """Track events of one visitor in one batch."""
    jobs = Jobs(store)
    jobs.start(*event_ids)
    jobs.finish()
    return jobs.results


class TakingStore(RacingStore):
    """A store that makes every change."""

    def commit(self, changes: list[Change], on_results) -> None:
        self.commits += 1
        if self.fails:
            on_results([StoreUnavailableError("down")] * len(changes))
        else:
            self.unanswered.append((on_results, [change.blob(1, b"wr")[:REVISION_BYTES] for change in changes]))


def test_an_event_that_was_not_stored_leaves_no_trace_in_what_is_remembered():
    """It waited for an update that was stored, and was folded into that one's state."""
    store = TakingStore()
    jobs = Jobs(store)
    jobs.start("stored")
    jobs.start("not stored")
    store.answer()
    store.fails = True
    jobs.finish()
    assert [type(error) for _, error in jobs.results] == [type(None), StoreUnavailableError]
    (update,) = jobs.tracker.begin([jobs.job("next")])
    assert update.snapshot is None or update.snapshot.state.sessions[0].event_count == 1


def test_a_visitor_who_changes_at_every_attempt_is_given_up():
    store = RacingStore()
    ((_, error),) = tracked(store, "1")
    assert isinstance(error, ContendedVisitorError)
    assert store.commits == 100


def test_an_event_found_after_a_lost_race_is_a_duplicate():
    store = RacingStore(forgets=False)
    assert tracked(store, "1") == [(True, None)]
    assert store.commits == 1


def test_a_store_that_does_not_answer_fails_the_events_and_frees_the_visitor():
    store = RacingStore()
    store.fails = True
    results = tracked(store, *[str(number) for number in range(200)])
    assert len(results) == 200
    assert {type(error) for _, error in results} == {StoreUnavailableError}


def test_a_state_that_cannot_be_folded_fails_its_own_events_alone(store, server, monkeypatch, caplog):
    def broken(state, event, aggregates):
        if event.user_id == "broken":
            raise ZeroDivisionError("secret")
        return fold(state, event, aggregates)

    monkeypatch.setattr("presage_server.tracking.tracker.fold", broken)
    calls = [LocalCall(track(user_id, "1")) for user_id in ("a", "broken", "b", "broken")]
    server.run(*calls)
    assert [call.outcome for call in calls] == ["OK", "INTERNAL", "OK", "INTERNAL"]
    assert "secret" in caplog.text
    assert "secret" not in calls[1].status.message
    monkeypatch.setattr("presage_server.tracking.tracker.fold", fold)
    assert not server.answer(track("broken", "1")).duplicate


def test_own_features_are_kept_as_a_replay_of_the_log_keeps_them(store, models):
    custom = custom_features()
    with opened(store) as view, local_pipeline(view, models, aggregates=custom.aggregates) as local:
        for number, kind in enumerate((event_pb2.EVENT_TYPE_SEARCH, event_pb2.EVENT_TYPE_LOGIN) * 3):
            late_micros = (number % 3) * 10**9
            time = START_UNIX_MICROS + number * 60_000_000 - late_micros
            items = [event_pb2.Item(item_id="x", category="shoes", brand=f"brand-{number}", price=number)]
            event = {"type": kind, "event_time_unix_micros": time, "items": items, "session_id": "s"}
            calls = [LocalCall(track("u", str(number), **event)) for _ in range(2)]  # the second is a duplicate
            local.run(*calls)
    replay = None
    for entry in store.stream("u"):
        replay = fold(replay, decode_event(entry[b"event"]), custom.aggregates)
    assert len(replay.slots) >= 3
    assert store.blob("u")[REVISION_BYTES:] == encode_state(replay)
