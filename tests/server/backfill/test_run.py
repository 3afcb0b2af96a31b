"""Backfills of a store that servers have filled."""

from __future__ import annotations

import pytest

from presage_featurizer import Event, EventType, decode_state, encode_state, fold
from presage_featurizer.event_log import partition_of, stream_key
from presage_featurizer.state import MAX_RECENT_EVENTS
from presage_server.backfill.resolving import Outcome
from presage_server.errors import SettingsError
from presage_server.store.keys import state_key
from presage_server.store.snapshot import REVISION_BYTES
from support.archives import archive_once
from support.backfills import CUSTOM, backfill, encoded, replayed, stored, write_project
from support.changes import change_of
from support.proofs import simulated_sessions
from support.stores import opened


def live(store, *events: Event, aggregates=None) -> None:
    """Apply events one by one, as servers do."""
    with opened(store, state_ttl_ms=30 * 86_400_000) as view:
        for each in events:
            change = change_of(view.read_one(each.user_id), each)
            if aggregates is not None:
                change = change.__class__(
                    change.user_id, change.base, fold(change.base.state, each, aggregates), change.events
                )
            (result,) = view.commit(change)
            assert isinstance(result, bytes)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [event for session in simulated_sessions(60, seed=8) for event in session]


def test_a_newly_declared_feature_gets_its_history_and_a_second_run_has_nothing_to_do(store, tmp_path, events):
    project = write_project(tmp_path / "project")
    third = len(events) // 3
    live(store, *events[:third])
    archive_once(store, tmp_path / "archive", max_batch_events=100)
    live(store, *events[third : 2 * third])  # not archived
    live(store, *events[2 * third :], aggregates=CUSTOM.aggregates)  # after the restart
    expiry = {key: store.redis.pexpiretime(key) for key in store.redis.scan_iter("*:u:*")}
    expected = encoded(replayed(store))
    assert stored(store, expected) != expected

    progress = backfill(store, tmp_path / "archive", project=project, max_batch_events=50)

    assert stored(store, expected) == expected
    assert progress.is_complete
    assert progress.events == len(events)
    assert progress.visitors == len(expected)
    assert progress.outcomes[Outcome.BACKFILLED] == progress.written > len(expected) // 2
    assert {key: store.redis.pexpiretime(key) for key in store.redis.scan_iter("*:u:*")} == expiry

    again = backfill(store, tmp_path / "archive", project=project)
    assert again.written == 0
    assert again.outcomes == {Outcome.UNCHANGED: len(expected)}


def test_visitors_whose_beginning_is_not_archived_keep_their_states_and_get_what_the_log_has(store, tmp_path, events):
    project = write_project(tmp_path / "project")
    half = len(events) // 2
    live(store, *events[:half])
    for partition in range(1024):
        store.redis.xtrim(stream_key(partition), maxlen=0)
    live(store, *events[half:])
    archive_once(store, tmp_path / "archive")
    before = {event.user_id: decode_state(store.blob(event.user_id)[REVISION_BYTES:]) for event in events}
    log = replayed(store)

    progress = backfill(store, tmp_path / "archive", project=project)

    older = {event.user_id for event in events[:half]} & {event.user_id for event in events[half:]}
    assert progress.outcomes[Outcome.OLDER] == len(older) > 3
    assert progress.outcomes[Outcome.DIFFERENT] == 0
    for user_id in log:
        after = decode_state(store.blob(user_id)[REVISION_BYTES:])
        assert after.slots == log[user_id].slots
        after.slots = {}
        for session in after.sessions:
            session.slots = {}
        assert after == before[user_id]
    assert backfill(store, tmp_path / "archive", project=project).written == 0

    rebuilt = backfill(store, tmp_path / "archive", rebuild=True)
    assert rebuilt.outcomes[Outcome.OLDER] == len(older), "what the log lacks is kept even then"


def test_states_that_are_gone_or_cannot_be_read_are_left_alone(store, tmp_path, events):
    project = write_project(tmp_path / "project")
    live(store, *events)
    archive_once(store, tmp_path / "archive")
    gone, damaged, newer, other_type, *rest = sorted({event.user_id for event in events})
    store.redis.delete(state_key(gone), state_key(other_type))
    store.set_blob(damaged, b"12345678damaged")
    newer_blob = bytearray(store.blob(newer))
    newer_blob[REVISION_BYTES : REVISION_BYTES + 5] = b"\xcf\x00\x00\x00\xfa"
    body = bytes(newer_blob[REVISION_BYTES + 5 :])
    from zlib import crc32

    newer_blob[REVISION_BYTES : REVISION_BYTES + 4] = crc32(body, crc32(b"\xfa")).to_bytes(4, "big")
    store.set_blob(newer, bytes(newer_blob))
    store.redis.lpush(state_key(other_type), "x")
    left = {key: store.redis.dump(key) for key in map(state_key, (damaged, newer, other_type))}

    progress = backfill(store, tmp_path / "archive", project=project)

    assert (progress.outcomes[Outcome.MISSING], progress.outcomes[Outcome.UNREADABLE]) == (1, 2)
    assert progress.outcomes[Outcome.NEWER] == 1
    assert not progress.is_complete
    assert {key: store.redis.dump(key) for key in left} == left
    assert store.blob(gone) is None
    expected = encoded(replayed(store))
    assert stored(store, rest) == {user_id: expected[user_id] for user_id in rest}


def test_a_visitor_who_was_forgotten_starts_again_where_the_servers_forgot(store, tmp_path, events):
    project = write_project(tmp_path / "project")
    half = len(events) // 2
    live(store, *events[:half])
    for key in store.redis.scan_iter("*:u:*"):
        store.redis.delete(key)
    live(store, *events[half:])
    archive_once(store, tmp_path / "archive")
    progress = backfill(store, tmp_path / "archive", project=project)
    came_back = {event.user_id for event in events[half:]}
    expected = {user_id: state for user_id, state in encoded(replayed(store)).items() if user_id in came_back}
    assert stored(store, expected) == expected
    assert progress.outcomes[Outcome.MISSING] == progress.visitors - len(came_back)


def test_an_event_that_counted_twice_after_many_others_counts_twice_again(store, tmp_path, events):
    project = write_project(tmp_path / "project")
    mine = [event for event in events if event.user_id == events[0].user_id]
    mine = [
        mine[0].__class__(f"{number}", each.type, each.user_id, each.event_time_unix_micros, "", each.items)
        for number, each in enumerate(mine * (300 // len(mine)))
    ]
    live(store, *mine, *mine[:5])
    archive_once(store, tmp_path / "archive")
    backfill(store, tmp_path / "archive", project=project)
    expected = encoded(replayed(store))
    assert stored(store, expected) == expected
    assert len(store.stream(mine[0].user_id)) == len(mine) + 5


def test_a_lost_store_comes_back_with_what_happened_since(store, tmp_path, events):
    third = len(events) // 3
    live(store, *events[: 2 * third], aggregates=CUSTOM.aggregates)
    archive_once(store, tmp_path / "archive")
    store.redis.flushall()
    live(store, *events[2 * third :], aggregates=CUSTOM.aggregates)
    states = {}
    for event in events:
        states[event.user_id] = fold(states.get(event.user_id), event, CUSTOM.aggregates)
    warnings = []

    options = {"project": write_project(tmp_path / "project"), "rebuild": True, "warnings": warnings}
    progress = backfill(store, tmp_path / "archive", **options)

    expected = encoded(states)
    assert stored(store, expected) == expected
    assert len(warnings) == 1
    assert warnings[0].startswith("STREAM RESET: ")
    assert progress.is_complete
    assert progress.outcomes[Outcome.RESTORED] > 0
    assert progress.outcomes[Outcome.REPLACED] > 0
    days = [store.redis.pttl(key) / 86_400_000 for key in store.redis.scan_iter("*:u:*")]
    assert 29.9 < min(days) <= max(days) <= 30
    assert backfill(store, tmp_path / "archive", **options).written == 0

    store.redis.flushall()
    expired = backfill(store, tmp_path / "archive", rebuild=True, state_ttl_days=0.001, clock_ahead_days=1)
    assert expired.outcomes == {Outcome.EXPIRED: expired.visitors}
    assert store.redis.dbsize() == 0


@pytest.mark.parametrize("declared", [False, True])
def test_without_anything_to_do_it_says_so(store, tmp_path, declared):
    options = {}
    if declared:
        options["project"] = write_project(tmp_path / "project", 'name = "shop"\nextends = "conversion"\n')
    with pytest.raises(SettingsError, match="nothing to backfill"):
        backfill(store, tmp_path, **options)


def test_events_that_left_the_stream_are_found_in_the_archive_and_otherwise_reported(
    store, tmp_path, events, monkeypatch
):
    """Between the reading of the archive and of the streams, an archiver goes on, and the streams drop what it has archived."""
    from presage_server.backfill.following import Follower

    project = write_project(tmp_path / "project")
    half, three_quarters = len(events) // 2, len(events) * 3 // 4
    live(store, *events[:half])
    archive_once(store, tmp_path / "archive")
    read_archive = Follower.read_archive

    def read_late(self, group, on_progress):
        read_archive(self, group, on_progress)
        live(store, *events[half:three_quarters])
        archive_once(store, tmp_path / "archive")
        expected.update(replayed(store))
        for partition in range(1024):
            store.redis.xtrim(stream_key(partition), maxlen=0)

    expected = {}
    monkeypatch.setattr(Follower, "read_archive", read_late)
    warnings = []
    progress = backfill(store, tmp_path / "archive", project=project, warnings=warnings)
    assert (warnings, progress.gaps) == ([], 0)
    assert stored(store, expected) == encoded(expected)

    monkeypatch.undo()
    live(store, *events[three_quarters:])
    lost = {partition_of(event.user_id) for event in events[three_quarters:]}
    for partition in lost:
        store.redis.xtrim(stream_key(partition), maxlen=0)
    before = {event.user_id: store.blob(event.user_id) for event in events}
    progress = backfill(store, tmp_path / "archive", project=project, warnings=warnings)
    assert progress.gaps == len(lost)
    assert [warning[:5] for warning in warnings] == ["GAP: "]
    assert not progress.is_complete
    for event in events[three_quarters:]:
        if before[event.user_id] != store.blob(event.user_id):
            ours = decode_state(store.blob(event.user_id)[REVISION_BYTES:])
            old = decode_state(before[event.user_id][REVISION_BYTES:])
            ours.slots = old.slots = {}
            for session in (*ours.sessions, *old.sessions):
                session.slots = {}
            assert encode_state(ours) == encode_state(old)


@pytest.mark.parametrize("hole", ["none", "archived before", "now", "unreadable"])
def test_a_long_history_is_replaced_unless_its_partition_has_a_known_hole(store, tmp_path, events, hole):
    mine = [
        Event(f"{number}", EventType.SEARCH, "ada", event.event_time_unix_micros)
        for number, event in enumerate(events[:MAX_RECENT_EVENTS] + events[:20])
    ]
    neighbour = next(name for name in map(str, range(9_999)) if partition_of(name) == partition_of("ada"))
    stream = stream_key(partition_of("ada"))
    live(store, *mine)
    if hole == "unreadable":
        store.redis.xadd(stream, {"event": b"damaged"})
    archive_once(store, tmp_path / "archive")
    if hole in {"archived before", "now"}:
        live(store, Event("of another", EventType.SEARCH, neighbour, events[-1].event_time_unix_micros))
        store.redis.xtrim(stream, maxlen=0)
    if hole == "archived before":
        archive_once(store, tmp_path / "archive")
    blob = store.blob("ada")
    state = decode_state(blob[REVISION_BYTES:])
    state.bounced_sessions += 1  # as if another release had folded
    store.set_blob("ada", blob[:REVISION_BYTES] + encode_state(state))

    progress = backfill(store, tmp_path / "archive", rebuild=True)

    expected = Outcome.REPLACED if hole == "none" else Outcome.DIFFERENT
    assert progress.outcomes == {expected: 1}
    assert decode_state(store.blob("ada")[REVISION_BYTES:]) == state or hole == "none"


def test_a_rebuild_from_an_archive_with_a_hole_keeps_what_the_store_has(store, tmp_path, events):
    third = len(events) // 3
    for part in (events[:third], events[third : 2 * third], events[2 * third :]):
        live(store, *part, aggregates=CUSTOM.aggregates)
        archive_once(store, tmp_path / "archive")
    for path in (tmp_path / "archive").glob("events/*/*0002.parquet"):
        path.unlink()
    for partition in range(1024):
        store.redis.xtrim(stream_key(partition), maxlen=0)
    users = {event.user_id for event in events}
    before = stored(store, users)
    project = write_project(tmp_path / "project")
    progress = backfill(store, tmp_path / "archive", project=project, rebuild=True)
    assert progress.outcomes[Outcome.DIFFERENT] > 0
    assert stored(store, users) == before
