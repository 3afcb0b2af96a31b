"""What a following audit knows between two batches: a file with the state of every visitor, and the last batch that was audited."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

from presage_featurizer import Aggregates, State, StateError, visitor_subject
from presage_training.audit import VectorDifference
from presage_training.errors import AuditStateError

__all__ = ["KnownVisitor", "PeekedVector", "VisitorStates", "default_states", "open_states"]

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS visitors (user_id TEXT PRIMARY KEY, event_id TEXT NOT NULL, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS peeked_vectors (
  entry TEXT PRIMARY KEY, user_id TEXT NOT NULL, event_id TEXT NOT NULL, difference BLOB
);
DROP TABLE IF EXISTS peeked;
"""
# `peeked` had the vectors' numbers within their batch, which change when a visitor is erased from its files.
_BUSY_SECONDS = 120.0
"""How long to wait for `presage forget`, which erases a visitor between two batches."""
_START_AGAIN = "remove it to replay the archive from its beginning"


def default_states(archive: Path) -> Path:
    """Return the file of states beside an archive's folder."""
    return archive.absolute().with_name(f"{archive.absolute().name}.audit")


class KnownVisitor(NamedTuple):
    """A visitor after the last event that was replayed."""

    state: State
    event_id: str
    """That event's."""


class PeekedVector(NamedTuple):
    """A vector of the next batch that was compared with a state of the last one."""

    user_id: str
    event_id: str
    """The event that it was compared after."""
    difference: VectorDifference | None
    """None if it was the same."""


class VisitorStates:
    """States by visitor, in a file: memory does not grow with the visitors. Use ``open_states``.

    Raises:
        AuditStateError: From every method: the file cannot be read or written.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, aggregates: Aggregates) -> None:
        self._path = path
        self._connection = connection
        self._subject = visitor_subject(aggregates)
        self.batch = int(self._about().get("batch", "0"))
        """The last batch that was audited."""

    def get(self, user_id: str) -> KnownVisitor | None:
        """Return a visitor; None if nothing of its history is known, or only a part."""
        with _file_errors(self._path):
            row = self._connection.execute(
                "SELECT state, event_id FROM visitors WHERE user_id = ?", (user_id,)
            ).fetchone()
        if row is None:
            return None
        try:
            return KnownVisitor(self._subject.decode(row[0], 0), row[1])
        except StateError as error:
            raise AuditStateError(f"{self._path}: {error}; {_START_AGAIN}") from error

    def put(self, visitors: Iterable[tuple[str, KnownVisitor]]) -> None:
        """Remember visitors as they are now."""
        encode = self._subject.encode
        rows = ((user_id, known.event_id, encode(known.state)) for user_id, known in visitors)
        with _file_errors(self._path):
            self._connection.executemany("INSERT OR REPLACE INTO visitors VALUES (?, ?, ?)", rows)

    def begin(self) -> None:
        """Keep others from erasing visitors until ``commit`` or ``roll_back``."""
        with _file_errors(self._path):
            self._connection.execute("BEGIN IMMEDIATE")

    def peeked(self) -> dict[str, PeekedVector]:
        """Return the vectors of the next batch that were compared already, by their entries."""
        with _file_errors(self._path):
            rows = self._connection.execute("SELECT * FROM peeked_vectors").fetchall()
        return {
            entry: PeekedVector(user_id, event_id, None if encoded is None else _decode_difference(encoded))
            for entry, user_id, event_id, encoded in rows
        }

    def commit(self, batch: int, peeked: Iterable[tuple[str, PeekedVector]]) -> None:
        """Save all that was put, a batch that was audited, and what was compared of the next one: all or nothing."""
        rows = (
            (
                entry,
                each.user_id,
                each.event_id,
                None if each.difference is None else _encode_difference(each.difference),
            )
            for entry, each in peeked
        )
        with _file_errors(self._path):
            self._connection.execute("DELETE FROM peeked_vectors")
            self._connection.executemany("INSERT OR REPLACE INTO peeked_vectors VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("INSERT OR REPLACE INTO about VALUES ('batch', ?)", (str(batch),))
            self._connection.commit()
        self.batch = batch

    def roll_back(self) -> None:
        """Forget what was put since the last commit."""
        with _file_errors(self._path):
            self._connection.rollback()

    def check(self, archive_id: str, aggregates: Aggregates) -> None:
        """Check that the file belongs to an archive and to a project's features; a new one does from now on."""
        expected = {
            "version": str(_VERSION),
            "archive": archive_id,
            "features": blake2b(repr(sorted(each.key for each in aggregates.aggregates)).encode()).hexdigest()[:32],
        }
        found = self._about()
        for name, reason in (
            ("version", "is of another release"),
            ("archive", "belongs to another archive"),
            ("features", "was written with other features of a project"),
        ):
            if name in found and found[name] != expected[name]:
                raise AuditStateError(f"{self._path}: {reason}; name another file, or {_START_AGAIN}")
        with _file_errors(self._path):
            self._connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", expected.items())
            self._connection.commit()

    def _about(self) -> dict[str, str]:
        with _file_errors(self._path):
            return dict(self._connection.execute("SELECT name, value FROM about").fetchall())


@contextmanager
def open_states(path: Path, *, archive_id: str, aggregates: Aggregates) -> Iterator[VisitorStates]:
    """Open the file, and make it if it does not exist.

    Args:
        path: The file.
        archive_id: Of the archive that is followed.
        aggregates: What servers fold beside the visitor's own state.

    Raises:
        AuditStateError: It cannot be written, another process uses it, or it belongs to something else.
    """
    with ExitStack() as stack:
        # Before it is opened: what was written by two processes would be of no use.
        stack.enter_context(_locked(path))
        with _file_errors(path):
            connection = stack.enter_context(closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)))
            # What a crash leaves half written is undone from the log beside the file.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_TABLES)
        states = VisitorStates(path, connection, aggregates)
        states.check(archive_id, aggregates)
        yield states


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other audits away."""
    try:
        with path.with_name(f"{path.name}.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise AuditStateError(
                    f"{path}: cannot be used: another presage audit does; name another file with --states"
                ) from error
            yield
    except OSError as error:
        raise AuditStateError(f"{path}: cannot be used: {error.strerror}; name another file with --states") from error


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise AuditStateError(f"{path}: cannot be used: {error}; name another file with --states") from error


_encode_difference = msgspec.msgpack.Encoder().encode
_decode_difference = msgspec.msgpack.Decoder(VectorDifference).decode
