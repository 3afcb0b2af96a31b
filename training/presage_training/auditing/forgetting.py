"""One visitor in the files of ``presage audit --follow``; ``presage forget`` finds this by its entry point."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from presage_training.auditing.visitor_states import default_states
from presage_training.errors import AuditStateError

__all__ = ["forget_in_states"]

_WAIT_SECONDS = 120.0
"""For an audit that is at a batch."""
_TABLES = ("visitors", "peeked_vectors")


def forget_in_states(
    archives: Sequence[Path], files: Sequence[Path], user_id: str, *, erase: bool
) -> Iterator[tuple[Path, int]]:
    """Find a visitor in files of states, and erase it there; an audit that uses them may go on meanwhile.

    Erase only what is in no file of the archive any more: an audit that has not read those would remember it again.

    Args:
        archives: Folders of archives, beside which a file of states may be.
        files: Other files of states.
        user_id: The visitor.
        erase: Whether to erase what is found.

    Yields:
        Each file that there is, and how many of its rows are the visitor's.

    Raises:
        AuditStateError: A file cannot be used.
    """
    for path in dict.fromkeys([*filter(Path.exists, map(default_states, archives)), *files]):
        try:
            yield path, _forget(path, user_id, erase=erase)
        except sqlite3.Error as error:
            raise AuditStateError(f"{path}: cannot be used: {error}; remove it to replay the archive") from error


def _forget(path: Path, user_id: str, *, erase: bool) -> int:
    uri = f"{path.absolute().as_uri()}?mode=rw"  # it is not made
    with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)) as connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        tables = [name for name in _TABLES if name in there]
        connection.execute("PRAGMA secure_delete = ON")  # overwritten, and not only left out
        connection.execute("BEGIN IMMEDIATE")
        rows = sum(
            connection.execute(f"SELECT count(*) FROM {name} WHERE user_id = ?", (user_id,)).fetchone()[0]  # noqa: S608
            for name in tables
        )
        if erase:
            for name in tables:
                connection.execute(f"DELETE FROM {name} WHERE user_id = ?", (user_id,))  # noqa: S608 - names from here
        connection.execute("COMMIT")
        if erase:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log beside it has older pages
    return int(rows)
