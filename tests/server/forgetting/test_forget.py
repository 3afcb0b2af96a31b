"""``presage forget`` on stores and archives that servers have filled."""

from __future__ import annotations

import msgspec
import pytest

from presage_featurizer import Event, EventType, encode_event, encode_state
from presage_featurizer.event_log import ServedVector, encode_served_vector, partition_of, stream_key
from presage_server.forgetting.run import Erased, check_visitor, forget_visitor
from presage_server.forgetting.settings import ForgetSettings
from presage_server.store.keys import erasures_key, quarantine_key
from presage_server.store.snapshot import REVISION_BYTES
from presage_training.replaying.replay import Replay
from support.archives import archive_once, log_vector, read
from support.changes import change_of
from support.proofs import simulated_sessions
from support.stores import opened


def live(store, *events: Event) -> None:
    """Apply events one by one, as servers do."""
    with opened(store, state_ttl_ms=30 * 86_400_000) as view:
        for each in events:
            (result,) = view.commit(change_of(view.read_one(each.user_id), each))
            assert isinstance(result, bytes)


def vector_of(user_id: str) -> ServedVector:
    return ServedVector(
        user_id=user_id,
        session_id="",
        as_of_unix_micros=1_714_521_600_000_000,
        last_event=b"",
        model="m",
        model_version="1",
        fingerprint="f",
        values=b"\0\0\0\0",
        score=0.5,
    )


def settings_of(store, user_id: str, *archives, **others) -> ForgetSettings:
    return ForgetSettings(user_id=user_id, redis_url=store.url, archives=archives, **({"settle_seconds": 0.0} | others))


def forget(store, user_id: str, *archives, **others) -> Erased:
    warnings: list[str] = []
    erased = forget_visitor(settings_of(store, user_id, *archives, **others), warn=warnings.append)
    assert warnings == []
    return erased


def archive(store, directory) -> None:
    assert archive_once(store, directory) == []


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [event for session in simulated_sessions(40, seed=6) for event in session]


def busiest(events: list[Event]) -> str:
    ids = [event.user_id for event in events]
    return max(set(ids), key=ids.count)


def test_a_visitor_is_erased_everywhere_and_everybody_else_is_as_before(store, tmp_path, events):
    user_id = busiest(events)
    half = len(events) // 2
    live(store, *events[:half])
    archive(store, tmp_path / "archive")
    live(store, *events[half:])  # not archived yet
    log_vector(store.redis, vector_of(user_id))
    log_vector(store.redis, vector_of("somebody else"))
    store.redis.rpush(quarantine_key(user_id), b"broken")
    before = {event.user_id: store.blob(event.user_id) for event in events}
    mine = sum(event.user_id == user_id for event in events)
    left = check_visitor(settings_of(store, user_id, tmp_path / "archive"))
    assert {finding.place for finding in left} > {"store"}

    erased = forget(store, user_id, tmp_path / "archive")

    assert erased.is_complete
    assert (erased.keys, erased.entries, erased.left) == (2, mine + 1, [])
    assert 0 < erased.rows < mine
    assert check_visitor(settings_of(store, user_id, tmp_path / "archive")) == []
    assert not any(user_id.encode() in key for key in store.everything())
    assert {name: store.blob(name) for name in before} == before | {user_id: None}
    archive(store, tmp_path / "archive")  # deleted entries are no lost ones
    assert sum(archived.event.user_id == user_id for archived in read(tmp_path / "archive")) == 0
    replay = Replay()
    for archived in read(tmp_path / "archive"):
        replay.fold(archived.event, fresh=archived.fresh)
    others = {name: blob[REVISION_BYTES:] for name, blob in before.items() if name != user_id}
    assert {name: encode_state(state) for name, state in replay.states.items()} == others
    assert check_visitor(settings_of(store, "somebody else"))[0].what.startswith("1 vector ")


def test_a_visitor_who_comes_back_begins_anew_and_a_second_erasure_has_it_all(store, tmp_path, events):
    user_id = busiest(events)
    mine = [event for event in events if event.user_id == user_id]
    live(store, *mine)
    archive(store, tmp_path)
    forget(store, user_id, tmp_path)

    live(store, *(msgspec.structs.replace(event, event_id=f"again-{event.event_id}") for event in mine[:3]))
    archive(store, tmp_path)

    assert [archived.fresh for archived in read(tmp_path)] == [True, False, False]
    assert len(check_visitor(settings_of(store, user_id, tmp_path))) == 3, "state, stream, archive"
    assert forget(store, user_id, tmp_path).is_complete
    assert read(tmp_path) == []
    archive(store, tmp_path)


def test_erasing_again_and_erasing_nobody_changes_nothing(store, tmp_path, events):
    live(store, *events[:20])
    archive(store, tmp_path)
    before = store.everything()
    erased = forget(store, "nobody", tmp_path)
    assert (erased.keys, erased.entries, erased.rows, erased.files) == (0, 0, 0, 0)
    after = store.everything()
    assert after.pop(erasures_key(partition_of("nobody")).encode())
    assert after == before


def test_entries_that_this_release_cannot_read_are_erased_too(store, tmp_path):
    """An event of a newer release has the id as text, of a length that tells it from a part of another."""
    event = Event("e", EventType.PAGE_VIEW, "visitor-1", 1_714_521_600_000_000)
    newer, other = (
        bytearray(encode_event(event)),
        bytearray(encode_event(msgspec.structs.replace(event, user_id="xvisitor-1"))),
    )
    for encoded in (newer, other):
        encoded[-1] ^= 1
    stream = stream_key(partition_of("visitor-1"))
    for encoded in (newer, other):
        store.redis.xadd(stream, {"event": bytes(encoded)})
    archive(store, tmp_path)
    assert forget(store, "visitor-1", tmp_path).entries == 1
    assert [fields[b"event"] for _, fields in store.redis.xrange(stream)] == [bytes(other)]
    assert check_visitor(settings_of(store, "visitor-1", tmp_path)) == []


def test_an_archive_that_was_not_named_is_no_proof(store, tmp_path, events):
    live(store, *events[:5])
    archive(store, tmp_path)
    erased = forget(store, events[0].user_id)
    assert not erased.is_complete
    (finding,) = erased.left
    assert "was not looked at; name the folder with --archive" in finding.line()


def test_vectors_that_a_call_computed_from_the_old_state_are_erased_though_they_are_logged_later(
    store, events, monkeypatch
):
    user_id = busiest(events)
    live(store, *(event for event in events if event.user_id == user_id))

    def a_call_ends(_seconds: float) -> None:
        log_vector(store.redis, vector_of(user_id))
        live(store, Event("new", EventType.PAGE_VIEW, user_id, events[-1].event_time_unix_micros))

    monkeypatch.setattr("presage_server.forgetting.run.sleep", a_call_ends)
    erased = forget(store, user_id)

    assert erased.is_complete
    (entry,) = store.stream(user_id)
    assert entry[b"fresh"] == b"1"
    assert all(finding.is_new for finding in erased.left)
    assert len(erased.left) == 2, "state and event"


def test_the_stores_slow_log_has_no_visitor_either(store):
    store.redis.config_set("slowlog-log-slower-than", 0)
    try:
        live(store, Event("e", EventType.PAGE_VIEW, "slow-visitor", 1_714_521_600_000_000))
        store.redis.config_set("slowlog-log-slower-than", -1)
        assert any("slow log" in finding.line() for finding in check_visitor(settings_of(store, "slow-visitor")))
        assert forget(store, "slow-visitor").is_complete
        assert check_visitor(settings_of(store, "slow-visitor")) == []
        assert store.redis.slowlog_len() == 0
    finally:
        store.redis.config_set("slowlog-log-slower-than", 10_000)


def test_a_vector_is_found_by_its_visitor_alone(store):
    """Not by another text that has the id in it."""
    vector = msgspec.structs.replace(vector_of("somebody"), session_id="u", model="u")
    store.redis.xadd(stream_key(partition_of("u")), {"vector": encode_served_vector(vector)})
    assert check_visitor(settings_of(store, "u")) == []
