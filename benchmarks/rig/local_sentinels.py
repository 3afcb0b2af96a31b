"""A primary, its replica and three Sentinels on loopback: Valkey processes."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks.rig.local_cluster import free_ports, valkey_process, wait_until, wait_until_up

__all__ = ["NAME", "LocalSentinels", "local_sentinels"]

NAME = "presage"
_SENTINELS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalSentinels:
    """What runs."""

    url: str
    """What Presage is given."""
    servers: tuple[tuple[int, subprocess.Popen[bytes]], ...]
    """Port and process of the two servers."""
    clients: dict[int, Any]
    """A client of each server, by port."""

    @property
    def primary(self) -> int:
        """The port of the primary."""
        return next(port for port, client in self.clients.items() if _role(client) == "master")

    def kill(self, port: int) -> None:
        """Have a server end at once."""
        process = dict(self.servers)[port]
        process.send_signal(signal.SIGKILL)
        process.wait()


def _role(client: Any) -> str:
    try:
        return str(client.role()[0])
    except redis.RedisError:
        return ""


@contextmanager
def local_sentinels(*, down_after_millis: int = 1_000) -> Iterator[LocalSentinels]:
    """Run them until the context ends.

    Args:
        down_after_millis: How long the primary may be silent until the Sentinels take it for failed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="presage-sentinel-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        first, second, *ports = free_ports(2 + _SENTINELS)
        usual = {"appendonly": "no", "repl-diskless-sync-delay": "0"}
        servers = []
        clients: dict[int, Any] = {}
        for port, options in ((first, usual), (second, usual | {"replicaof": f"127.0.0.1 {first}"})):
            servers.append((port, stack.enter_context(valkey_process(folder / str(port), port, options))))
            clients[port] = stack.enter_context(redis.Redis(port=port, decode_responses=True))
            wait_until_up(clients[port])
        wait_until(lambda: clients[second].info("replication").get("master_link_status") == "up")
        asked = []
        for port in ports:
            configuration = "".join(
                f"sentinel {line}\n"
                for line in (
                    f"monitor {NAME} 127.0.0.1 {first} 2",
                    f"down-after-milliseconds {NAME} {down_after_millis}",
                    f"failover-timeout {NAME} 5000",
                )
            )
            stack.enter_context(valkey_process(folder / str(port), port, {}, "--sentinel", configuration=configuration))
            asked.append(stack.enter_context(redis.Redis(port=port, decode_responses=True)))
            wait_until_up(asked[-1])
        wait_until(lambda: all(_knows_all(sentinel) for sentinel in asked))
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        yield LocalSentinels(url=f"redis+sentinel://{hosts}/{NAME}", servers=tuple(servers), clients=clients)


def _knows_all(sentinel: Any) -> bool:
    state = sentinel.sentinel_master(NAME)
    return bool(state["num-other-sentinels"] == _SENTINELS - 1 and state["num-slaves"] == 1)
