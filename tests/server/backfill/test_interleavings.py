"""Whatever servers, archivers and other backfills do between a backfill's steps, states become those of a replay of all events."""

from __future__ import annotations

import tempfile
from collections import deque
from itertools import count
from pathlib import Path
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from presage_featurizer import Event, EventType, Item, fold
from presage_featurizer.event_log import BEGINNING, Entry, Position, partition_of, stream_key
from presage_server.archive.folder import ArchiveFolder, open_folder
from presage_server.archive.parts import parts_by_day
from presage_server.backfill import backfiller
from presage_server.backfill.visitor_store import VisitorStore
from presage_server.store.keys import state_key
from presage_server.store.snapshot import Change
from presage_training.replaying.replay import Replay
from support.backfills import CUSTOM, backfill, encoded, stored, write_project
from support.events import MINUTE_MICROS, START_UNIX_MICROS
from support.stores import opened

PARTITIONS = 2
VISITORS = [name for name in map(str, range(4_000)) if partition_of(name) < PARTITIONS][:3]
RARE = ("duplicate", "archive", "archive", "trim", "forget")


def steps(*names: str):
    return st.tuples(st.sampled_from(names), st.integers(0, len(VISITORS) - 1))


BEFORE = st.lists(steps(*["old event"] * 5, *["event"] * 3, *RARE), min_size=4, max_size=25)
"""Of servers that have not been restarted, too."""
MEANWHILE = st.lists(st.tuples(st.integers(0, 5), steps(*["event"] * 6, "backfill", *RARE)), max_size=20)
"""Steps, each before one of the backfill's calls: read, read, write, of one partition after the other."""


class World:
    """A store with servers, an archiver and the log of all that happened."""

    def __init__(self, store, view, folder: ArchiveFolder, directory: Path) -> None:
        self.store, self.view, self.folder, self.directory = store, view, folder, directory
        self.replay = Replay(CUSTOM.aggregates)
        self.numbers = count()
        self.last: Event | None = None
        self.project = write_project(directory / "project")

    def event(self, user_id: str, *, declared: bool) -> None:
        number = next(self.numbers)
        kind = (EventType.VIEW_ITEM, EventType.SEARCH, EventType.PURCHASE)[number % 3]
        item = Item(f"i{number % 5}", "shoes" if number % 2 else "hats", f"b{number % 4}", 1_000_000 * (number % 7))
        late = 40 * MINUTE_MICROS if number % 11 == 10 else 0
        time = START_UNIX_MICROS + number * 9 * MINUTE_MICROS - late
        self.apply(Event(f"e{number}", kind, user_id, time, "", (item,)), declared=declared)

    def apply(self, event: Event, *, declared: bool) -> None:
        self.last = event
        base = self.view.read_one(event.user_id)
        before = self.replay.states.get(event.user_id) if base.state is not None else None
        state = fold(base.state, event, CUSTOM.aggregates) if declared else fold(base.state, event)
        if state is base.state:
            return  # a duplicate
        (result,) = self.view.commit(Change(event.user_id, base, state, [event]))
        assert isinstance(result, bytes)
        self.replay.fold(event, fresh=before is None)

    def archive(self) -> None:
        entries, positions = [], dict(self.folder.checkpoint.positions)
        for partition in range(PARTITIONS):
            position = positions.get(partition, Position(last=BEGINNING, counted=0))
            found = self.store.redis.xrange(stream_key(partition), f"({position.last}")
            new = [Entry.parse(partition, entry_id, fields) for entry_id, fields in found]
            last = new[-1].entry_id if new else position.last
            positions[partition] = Position(last=last, counted=(position.counted or 0) + len(new))
            entries += new
        self.folder.commit(parts_by_day(entries), positions=positions, entries=len(entries))

    def do(self, step: tuple[str, int]) -> None:
        name, visitor = step
        user_id = VISITORS[visitor]
        if name == "event":
            self.event(user_id, declared=True)
        elif name == "old event":
            self.event(user_id, declared=False)
        elif name == "duplicate" and self.last is not None:
            self.apply(self.last, declared=True)
        elif name == "archive":
            self.archive()
        elif name == "trim":
            for partition, position in self.folder.checkpoint.positions.items():
                self.store.redis.xtrim(stream_key(partition), minid=f"{position.last}", approximate=False)
                self.store.redis.xdel(stream_key(partition), f"{position.last}")
        elif name == "forget":
            self.store.redis.delete(state_key(user_id))
            self.replay.states.pop(user_id, None)


@settings(max_examples=40)
@example(
    before=[("old event", 0)] * 4, meanwhile=[(0, ("archive", 0)), (0, ("trim", 0))]
)  # nothing is archived when it begins
@given(before=BEFORE, meanwhile=MEANWHILE)
def test_states_are_those_of_a_replay_of_all_events(shared_store, before, meanwhile):
    store = shared_store
    store.redis.flushall()
    with (
        tempfile.TemporaryDirectory() as directory,
        opened(store) as view,
        open_folder(Path(directory, "archive"), new_id=lambda: "id") as folder,
        mock.patch.object(backfiller, "PARTITIONS", PARTITIONS),
    ):
        world = World(store, view, folder, Path(directory))
        for step in before:
            world.do(step)
        waiting, calls = deque(sorted(meanwhile, key=lambda each: each[0])), count()
        read, write = VisitorStore.read, VisitorStore.write

        def run():
            return backfill(store, Path(directory, "archive"), project=world.project)

        def interrupt() -> None:
            number = next(calls)
            while waiting and waiting[0][0] <= number:
                name, visitor = waiting.popleft()[1]
                if name == "backfill":
                    run()  # its own calls are interrupted, too
                else:
                    world.do((name, visitor))

        def interrupted_read(self, *arguments):
            interrupt()
            return read(self, *arguments)

        def interrupted_write(self, *arguments, **named):
            interrupt()
            return write(self, *arguments, **named)

        with (
            mock.patch.object(VisitorStore, "read", interrupted_read),
            mock.patch.object(VisitorStore, "write", interrupted_write),
        ):
            progress = run()
        assert progress.is_complete
        expected = encoded(world.replay.states)
        assert stored(store, expected) == expected
        assert {key.decode() for key in store.redis.scan_iter("*:u:*")} == set(map(state_key, expected))
