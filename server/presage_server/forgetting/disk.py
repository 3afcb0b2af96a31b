"""Deleted data in the store's files, which are rewritten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

__all__ = ["find_bytes", "rewrite_files"]

_POLL_SECONDS = 0.1
_CHUNK = 1 << 22


def rewrite_files(redis: Redis, *, wait_seconds: float) -> list[str]:
    """Have the store write its append-only file and its snapshot again, where it has them, and wait.

    Returns:
        What could not be written again, a sentence each; empty if nothing is left.
    """
    client: Any = redis
    try:
        info = client.info("persistence")
        keeps_snapshots = bool(client.config_get("save").get("save", ""))
    except RedisError as error:
        return [f"the store does not report which files it has ({error}): have it run BGREWRITEAOF and BGSAVE"]
    problems = []
    if info.get("aof_enabled"):
        problems += _APPEND_ONLY.write_again(client, wait_seconds)
    if keeps_snapshots:
        problems += _SNAPSHOT.write_again(client, wait_seconds)
    return problems


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """A file that the store can write again beside its work."""

    name: str
    command: str
    status: str
    """What INFO calls the result of the last time."""

    def write_again(self, client: Any, wait_seconds: float) -> list[str]:
        """Have it written from now on, and wait; return why it was not."""
        deadline = monotonic() + wait_seconds
        started = False
        try:
            while monotonic() < deadline:
                info = client.info("persistence")
                if not any(info.get(name) for name in _RUNNING):  # one that runs may have begun before
                    if started:
                        good = info.get(self.status) == "ok"
                        return [] if good else [f"the store could not write its {self.name} again: see its log"]
                    client.execute_command(self.command)
                    started = True
                sleep(_POLL_SECONDS)
        except RedisError as error:
            return [f"the store does not write its {self.name} again ({error}): it has what was erased until it does"]
        return [f"the store has not written its {self.name} again within {wait_seconds:g} s: it has what was erased"]


_RUNNING = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
_APPEND_ONLY = _File(name="append-only file", command="BGREWRITEAOF", status="aof_last_bgrewrite_status")
_SNAPSHOT = _File(name="snapshot", command="BGSAVE", status="rdb_last_bgsave_status")


def find_bytes(directory: Path, needle: bytes) -> list[Path]:
    """Return the files below a folder that have some bytes as they are; compressed ones may have them all the same."""
    found = []
    for path in sorted(directory.rglob("*")):
        if not path.is_file():
            continue
        tail = b""
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if needle in tail + chunk:
                    found.append(path)
                    break
                tail = chunk[-len(needle) :]
    return found
