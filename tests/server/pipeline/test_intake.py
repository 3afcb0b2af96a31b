"""Which calls go into the next batch, and which are rejected before they cost anything."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from presage.v1 import event_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_server.call import Call
from presage_server.errors import InvalidRequestError
from presage_server.pipeline.overload import OverloadPolicy
from presage_server.rpc.limits import MAX_BATCH_ITEMS
from support.pipelines import LocalCall, LocalPipeline, an_event, local_pipeline, track
from support.stores import opened


@pytest.fixture
def view(store):
    with opened(store) as one:
        yield one


@pytest.fixture
def server(view, models):
    with local_pipeline(view, models) as local:
        yield local


@pytest.fixture
def patient_server(view, models):
    """A server whose turns wait for the store, however late another process gets its turn of a core."""
    with local_pipeline(view, models, wait_seconds=1.0) as local:
        yield local


def score(user_id: str = "u") -> pb.ScoreRequest:
    return pb.ScoreRequest(user_id=user_id)


class Guard:
    """Lets calls with a key pass, and notes who they are."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    def intercept(self, call: Call) -> None:
        self.seen.append((call.method.rpartition("/")[2], call.request))
        key = dict(call.metadata).get("x-key")
        if key is None:
            raise InvalidRequestError("expected a key", field="x-key")
        if key == "broken":
            raise ZeroDivisionError("secret")
        call.principal = str(key)


class Second:
    """Sees what the interceptor before it established."""

    def __init__(self) -> None:
        self.principals: list[str] = []

    def intercept(self, call: Call) -> None:
        self.principals.append(call.principal)


def test_interceptors_see_the_metadata_in_order_before_the_request_is_parsed(view, models):
    guard, second = Guard(), Second()
    with local_pipeline(view, models, interceptors=(guard, second)) as server:
        calls = [
            LocalCall(score(), metadata=[("x-key", "me")]),
            LocalCall(b"\xff no message", "Score"),
            LocalCall(score(), metadata=[("x-key", "broken")]),
            LocalCall(b"\xff no message", "Score", metadata=[("x-key", "you")]),
        ]
        server.run(*calls)
    assert [call.outcome for call in calls] == ["OK", "INVALID_ARGUMENT", "INTERNAL", "INVALID_ARGUMENT"]
    assert calls[1].status.message == "x-key: expected a key"
    assert "ScoreRequest" in calls[3].status.message
    assert "secret" not in calls[2].status.message
    assert [name for name, _ in guard.seen] == ["Score"] * 4
    assert second.principals == ["me", "you"]
    assert calls[0].principal == "me"


def test_a_call_that_an_interceptor_rejects_does_nothing(view, models, store):
    with local_pipeline(view, models, interceptors=(Guard(),)) as server:
        calls = [LocalCall(track("u", "1")), LocalCall(pb.TrackEventsRequest(events=[an_event("u", "2")] * 50))]
        server.turn(*calls)
        assert [call.outcome for call in calls] == ["INVALID_ARGUMENT"] * 2
    assert store.blob("u") is None


def test_requests_that_break_the_contract_fail_alone(server):
    calls = [
        LocalCall(score("a")),
        LocalCall(score("")),
        LocalCall(b"\x0a\xff", "TrackEvent"),
        LocalCall(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="a"), pb.ScoreTarget()])),
        LocalCall(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="a")] * 1_001)),
        LocalCall(pb.ScoreRequest(user_id="a", model="none")),
        LocalCall(score("b")),
    ]
    server.run(*calls)
    expected = ["OK", *["INVALID_ARGUMENT"] * 4, "NOT_FOUND", "OK"]
    assert [call.outcome for call in calls] == expected


def sizes_of_runs(server: LocalPipeline, monkeypatch) -> list[int]:
    """Note how many visitors each batch scores."""
    sizes: list[int] = []
    compute = server.scorer.compute

    def noted(jobs, stages):
        sizes.append(len(jobs))
        compute(jobs, stages)

    monkeypatch.setattr(server.scorer, "compute", noted)
    return sizes


def large_score(size: int = 1_000, **described) -> LocalCall:
    return LocalCall(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id=f"u{n}") for n in range(size)]), **described)


def test_large_requests_are_processed_in_slices_beside_small_calls(patient_server, monkeypatch):
    """Four ScoreBatch of 1,000 arrive, and then a Score with every turn: none of these waits for more than a few slices."""
    server = patient_server
    sizes = sizes_of_runs(server, monkeypatch)
    large = [large_score(peer=f"large-{number}") for number in range(4)]
    server.turn(*large)
    small: list[LocalCall] = []
    waited = []
    while any(call.code is None for call in large):
        small.append(LocalCall(score(), peer="small"))
        server.turn(small[-1])
        waited.append(sum(call.code is None for call in small))
    server.finish(*small)
    assert len(small) > 100
    assert max(waited) <= 4
    assert max(sizes[1:]) <= server.overload.batch_units, "expected a larger slice before the first small call only"
    assert sum(sizes) == 4_000 + len(small)
    assert [len(call.response.predictions) for call in large] == [1_000] * 4
    # They went forward together, not one after the other.
    assert max(call.replied_at for call in large) - min(call.replied_at for call in large) < len(small)


@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_replies_are_read_and_connections_taken_however_many_calls_keep_coming(server, store, down):
    """More events than one turn takes arrive with every turn, for visitors that need no read."""
    names = [f"u{number}" for number in range(150)]
    server.run(*[LocalCall(track(name, "first")) for name in names])
    if down:
        server.link._close_wire()  # as when the store hangs
        server.link._connector.start()
        server.link._go_down("for the test")
    calls: list[LocalCall] = []
    for turn in range(40):
        arrived = [LocalCall(track(name, f"{turn}"), peer=name) for name in names]
        calls += arrived
        server.turn(*arrived)
        time.sleep(0.002)
    ended = Counter(call.outcome for call in calls)
    assert server.intake.waiting
    assert not server.link.down
    assert ended["OK"] > 100
    server.finish(*calls)
    while server.link.pending or server.tracker.ready:
        server.turn()


def test_while_there_are_no_small_calls_slices_are_larger(server, monkeypatch):
    sizes = sizes_of_runs(server, monkeypatch)
    server.run(large_score())
    assert sizes[:7] == [2 * server.overload.batch_units] * 7


def test_just_after_a_small_call_a_slice_is_a_whole_batch_at_most(server, monkeypatch):
    sizes = sizes_of_runs(server, monkeypatch)
    call = large_score()
    server.run(LocalCall(score()))
    server.turn(call)
    server.turn()
    assert sizes[1] == server.overload.batch_units
    server.finish(call)


def test_a_score_that_comes_with_a_batch_of_thousands_of_items_is_answered_before_it(server):
    items = [event_pb2.Item(item_id=f"item-{number}", price=1.0) for number in range(1_000)]
    count = MAX_BATCH_ITEMS // len(items)
    events = [an_event(f"u{number}", "e", items=items) for number in range(count)]
    batch, scored = LocalCall(pb.TrackEventsRequest(events=events)), LocalCall(score("another"))
    server.run(batch, scored)
    assert scored.replied_at < batch.replied_at
    assert [result.code for result in batch.response.results] == [0] * count


def test_a_connection_with_a_thousand_calls_leaves_the_others_their_turn(server):
    many = [LocalCall(score(f"u{number}"), peer="many") for number in range(1_000)]
    others = [LocalCall(score("other"), peer=f"other-{number}") for number in range(3)]
    server.run(*many, *others)
    before = [sum(call.replied_at < other.replied_at for call in many) for other in others]
    assert max(before) <= server.overload.batch_units
    assert {call.outcome for call in many + others} == {"OK"}


def test_calls_of_one_connection_are_answered_in_their_order(server):
    calls = [LocalCall(score(f"u{number}")) for number in range(1_000)]
    server.run(*calls)
    assert [call.replied_at for call in calls] == sorted(call.replied_at for call in calls)


@pytest.mark.parametrize("size", [50, 400, 1_000])
def test_no_burst_to_an_idle_server_is_rejected(server, size):
    for number in range(3):
        calls = [LocalCall(score(f"u{n}"), seconds=1.0) for n in range(size // 2)]
        calls += [LocalCall(track(f"u{n}", f"e{number}"), seconds=1.0) for n in range(size // 2)]
        server.run(*calls)
        assert Counter(call.outcome for call in calls)["RESOURCE_EXHAUSTED"] == 0


@pytest.mark.parametrize("in_flight", [64, 400])
def test_no_call_of_a_closed_loop_is_rejected(server, in_flight):
    """Callers who each wait for the answer before they call again."""
    calls = [LocalCall(score(f"u{n}"), seconds=1.0, peer=str(n % 8)) for n in range(in_flight)]
    ended: Counter[str] = Counter()
    server.turn(*calls)
    while ended.total() < 4_000:
        done = [call for call in calls if call.code is not None]
        ended.update(call.outcome for call in done)
        again = [LocalCall(score(f"u{n}"), seconds=1.0, peer=str(n % 8)) for n in range(len(done))]
        calls = [call for call in calls if call.code is None] + again
        server.turn(*again)
    server.finish(*calls)
    assert ended["RESOURCE_EXHAUSTED"] == 0


class Costly(OverloadPolicy):
    """Each unit of work takes this much processor time, whatever it takes here."""

    def __init__(self, unit_seconds: float) -> None:
        self._cost = unit_seconds
        self._total = 1.0
        super().__init__(processor_clock=lambda: self._total)
        self._unit_seconds = unit_seconds

    def note_work(self, units: int) -> None:
        self._total += units * self._cost
        super().note_work(units)


def test_calls_that_could_not_be_answered_in_time_are_rejected_at_once_and_the_others_served(view, models):
    with local_pipeline(view, models, overload=Costly(0.01)) as server:
        hurried = [LocalCall(score(f"u{n}"), seconds=1.0) for n in range(500)]
        server.turn(*hurried)
        rejected = [call for call in hurried if call.outcome == "RESOURCE_EXHAUSTED"]
        assert len(rejected) == 500 - 65
        assert {call.status.message for call in rejected} == {
            "more calls are waiting than can be answered in time; try again, later or elsewhere"
        }
        server.finish(*hurried)
        patient = [LocalCall(score(f"u{n}"), seconds=60.0) for n in range(500)]
        server.run(*patient)
        assert Counter(call.outcome for call in patient) == {"OK": 500}


def test_in_an_overload_the_newest_calls_are_served_first_and_the_queue_is_short(view, models):
    overload = Costly(50e-6)
    with local_pipeline(view, models, overload=overload) as server:
        overload.overloaded = True
        overload.note_rejected()
        calls = [LocalCall(score(f"u{n}")) for n in range(300)]
        kept = overload.queue_units
        server.run(*calls)
        outcomes = [call.outcome for call in calls]
        assert outcomes == ["RESOURCE_EXHAUSTED"] * (300 - kept) + ["OK"] * kept
        served = calls[-kept:]
        assert max(call.replied_at for call in served[-32:]) < min(call.replied_at for call in served[:-32])


def test_a_large_request_that_could_not_be_answered_in_time_is_rejected_unparsed(view, models):
    with local_pipeline(view, models, overload=Costly(0.01)) as server:
        large = LocalCall(b"\xff" * 30_000, "ScoreBatch", seconds=1.0)
        server.turn(large)
        assert large.outcome == "RESOURCE_EXHAUSTED"


def test_a_large_call_whose_time_runs_out_ends_and_leaves_no_work(server):
    call = large_score()
    server.turn(call)
    call.deadline = 0.0
    server.turn()
    assert call.outcome == "DEADLINE_EXCEEDED"
    assert not server.intake.waiting
    while server.link.pending:
        server.turn()


def test_calls_that_were_cancelled_while_they_waited_are_not_processed(server, store):
    waiting = [LocalCall(score(f"u{n}")) for n in range(200)]
    event = LocalCall(track("cancelled", "1"))
    large = large_score()
    server.turn(*waiting, event, large)
    event.end(1)
    large.end(1)
    server.finish(*waiting)
    while server.intake.waiting or server.link.pending or server.tracker.ready:
        server.turn()
    assert store.blob("cancelled") is None
    assert large.payload == b""


def test_in_an_overload_the_excess_is_rejected_before_interceptors_look_at_it(view, models):
    seen = []

    class Counting:
        def intercept(self, call):
            seen.append(call)

    overload = Costly(50e-6)
    with local_pipeline(view, models, overload=overload, interceptors=[Counting()]) as server:
        overload.overloaded = True
        overload.note_rejected()
        kept = overload.queue_units
        calls = [LocalCall(score(f"u{n}")) for n in range(300)]
        server.run(*calls)
        assert seen == calls[-kept:]
        assert Counter(call.outcome for call in calls) == {"OK": kept, "RESOURCE_EXHAUSTED": 300 - kept}
