"""Archives for tests: made in this process or by ``presage archive`` in another, and compared with the streams they hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from threading import Event as Flag

import numpy as np
from pyarrow import parquet
from redis import Redis

from presage_featurizer import Event, encode_event
from presage_featurizer.event_log import (
    PARTITIONS,
    ServedVector,
    decode_served_vector,
    encode_served_vector,
    partition_of,
    stream_key,
)
from presage_server.archive.archiver import Archiver
from presage_server.archive.catalogue import CatalogueReader
from presage_server.archive.catalogue_archiver import CatalogueArchiver
from presage_server.archive.catalogue_parts import changes_by_day
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_server.clock import system_clock
from presage_server.eventlog.connecting import connect_clients
from presage_server.eventlog.consumer_group import ConsumerGroup
from presage_server.eventlog.poller import Poller
from presage_server.eventlog.reader import StreamReader
from presage_server.items.keys import CATALOGUE_STREAM
from presage_training.readers.formats.archive import ArchivedEvent, read_archive
from presage_training.readers.skipped_rows import SkippedRows
from support.running_server import GENEROUS_SECONDS
from support.stores import LocalStore

Place = tuple[int, int, int]
"""Of an entry: partition, and the two halves of its id."""

_PLACE = ("partition", "entry_unix_millis", "entry_sequence")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROGRAM = "import typer; from presage_server.archive.command import archive; typer.run(archive)"


def log_event(redis: Redis, event: Event, *, fresh: bool = False, max_events: int | None = None) -> None:
    """Append an event to its visitor's stream, as the server does."""
    fields = {"event": encode_event(event)} | ({"fresh": "1"} if fresh else {})
    redis.xadd(stream_key(partition_of(event.user_id)), fields, maxlen=max_events, approximate=False)


def log_vector(redis: Redis, vector: ServedVector) -> None:
    """Append a served vector to its visitor's stream, as the server does."""
    redis.xadd(stream_key(partition_of(vector.user_id)), {"vector": encode_served_vector(vector)})


def streams(redis: Redis) -> dict[Place, tuple[bytes, bool]]:
    """Read the events of all streams: each one's bytes, and whether it is marked fresh."""
    return {
        place: (fields[b"event"], b"fresh" in fields) for place, fields in _entries(redis).items() if b"event" in fields
    }


def logged_vectors(redis: Redis) -> dict[Place, ServedVector]:
    """Read the served vectors of all streams."""
    return {
        place: decode_served_vector(fields[b"vector"])
        for place, fields in _entries(redis).items()
        if b"vector" in fields
    }


def places(directory: Path, kind: str = "events") -> list[Place]:
    """Read where the archive's rows come from, in order; a row that is there twice appears twice."""
    found: list[Place] = []
    for path in directory.glob(f"{kind}/day=*/*"):
        table = parquet.ParquetFile(path).read(columns=list(_PLACE))
        found += zip(*(column.to_pylist() for column in table.columns), strict=True)
    return sorted(found)


def read(directory: Path) -> list[ArchivedEvent]:
    """Read an archive in which nothing may be unreadable."""
    skipped = SkippedRows()
    archived = list(read_archive(directory, skipped=skipped))
    assert skipped.counts == {}
    return archived


def archived_vectors(directory: Path) -> list[tuple[Place, ServedVector]]:
    """Read the archive's vectors, in the order of their entries; one that is there twice appears twice."""
    found = []
    for path in directory.glob("vectors/day=*/*"):
        for row in parquet.ParquetFile(path).read().to_pylist():
            place = tuple(row.pop(name) for name in _PLACE)
            as_of_unix_micros = (row.pop("as_of") - _EPOCH) // timedelta(microseconds=1)
            row["values"] = np.array(row["values"], dtype="<f4").tobytes()
            row["others"] = tuple(zip(row.pop("other_versions"), row.pop("other_scores"), strict=True))
            found.append((place, ServedVector(**row, as_of_unix_micros=as_of_unix_micros)))
    return sorted(found, key=lambda row: row[0])


def assert_equal_to_streams(directory: Path, redis: Redis) -> None:
    """Check that each entry of the streams is in the archive once, with all that it says, and nothing else is."""
    expected = streams(redis)
    assert places(directory) == sorted(expected), "the archive's entries are not those of the streams"
    archived = [(encode_event(each.event), each.fresh) for each in read(directory)]
    assert sorted(archived) == sorted(expected.values()), "an entry was archived as something else"
    vectors = sorted(logged_vectors(redis).items(), key=lambda row: row[0])
    assert archived_vectors(directory) == vectors, "the archive's vectors are not those of the streams"


@contextmanager
def archiver(store: LocalStore, directory: Path, warnings: list[str], *, max_batch_events: int) -> Iterator[Archiver]:
    """Make an archiver in this process that appends its warnings to a list."""
    clients, counts_entries = connect_clients(
        store.url, client_name="presage-archive", timeout_seconds=GENEROUS_SECONDS
    )
    with clients, open_folder(directory, new_id=lambda: _id_of(directory)) as folder:
        name = f"archive-{folder.checkpoint.archive_id}"
        group = ConsumerGroup(clients, name=name, consumer="archive", counts_entries=counts_entries)
        yield Archiver(
            reader=StreamReader(group),
            catalogue=CatalogueArchiver(
                CatalogueReader(clients.of_key(CATALOGUE_STREAM), counts_entries=counts_entries), changes_by_day
            ),
            folder=folder,
            clock=system_clock,
            write_parts=parts_by_day,
            warn=warnings.append,
            max_batch_events=max_batch_events,
        )


def _id_of(directory: Path) -> str:
    """Return an id that no other folder has: archives of one store have groups of their own."""
    return blake2b(str(directory).encode(), digest_size=6).hexdigest()


def archive_once(store: LocalStore, directory: Path, *, max_batch_events: int = 100_000) -> list[str]:
    """Archive what is there, in this process; return the warnings."""
    warnings: list[str] = []
    with archiver(store, directory, warnings, max_batch_events=max_batch_events) as made:
        poller = Poller(made, once=True, flush_seconds=60.0, warn=made.warn)
        poller.run(stop=Flag(), on_step=lambda: None)
    return warnings


def archive_command(
    store_url: str, directory: Path, *flags: str, shell_limit: str = "", stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start ``presage archive``; ``shell_limit`` is a command for the shell to run before."""
    command = [sys.executable, "-c", _PROGRAM, "--to", str(directory), "--redis-url", store_url, *flags]
    if shell_limit:
        command = ["bash", "-c", f'{shell_limit}; exec "$0" "$@"', *command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    return subprocess.Popen(
        command, env=environment | {"COLUMNS": "300"}, stdout=subprocess.PIPE, stderr=stderr, text=True
    )


def run_archive(store_url: str, directory: Path, *flags: str, shell_limit: str = "") -> tuple[int, str, str]:
    """Run ``presage archive`` to its end; return its exit code, stdout and stderr."""
    process = archive_command(store_url, directory, *flags, shell_limit=shell_limit)
    out, err = process.communicate(timeout=GENEROUS_SECONDS)
    return process.returncode, out, err


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process as nothing can be prepared for, and wait until it is gone."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=GENEROUS_SECONDS)


def _entries(redis: Redis) -> dict[Place, dict[bytes, bytes]]:
    pipeline = redis.pipeline(transaction=False)
    for partition in range(PARTITIONS):
        pipeline.xrange(stream_key(partition))
    found = {}
    for partition, entries in enumerate(pipeline.execute()):
        for entry_id, fields in entries:
            unix_millis, sequence = entry_id.split(b"-")
            found[partition, int(unix_millis), int(sequence)] = fields
    return found
