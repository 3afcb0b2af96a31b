"""A Redis Cluster of Valkey processes on loopback, and what an operator does to one: move slots, fail over, lose a server."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.rig.server_parts import end_with_parent, find_binary

__all__ = [
    "ClusterServer",
    "LocalCluster",
    "free_ports",
    "local_cluster",
    "valkey_process",
    "wait_until",
    "wait_until_up",
]

SLOTS = 16_384
_START_SECONDS = 30.0
_SETTLE_SECONDS = 60.0
_POLL_SECONDS = 0.02
_NODE_TIMEOUT_MILLIS = 2_000
_KEYS_PER_MIGRATE = 10
"""As redis-cli has it."""


class ClusterServer:
    """One server of a cluster.

    Args:
        port: Where it listens on 127.0.0.1.
        bus_port: Where the others of the cluster talk to it.
        process: Its process.
    """

    def __init__(self, port: int, bus_port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.bus_port = bus_port
        self.process = process
        self.redis: Any = redis.Redis(port=port, decode_responses=True)
        self.id = ""
        """What the cluster calls it."""

    def kill(self) -> None:
        """Have it end at once, as with a power failure."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def is_primary(self) -> bool:
        """Whether it holds slots of its own; False also if it does not answer."""
        try:
            return bool(self.redis.role()[0] == "master")
        except redis.RedisError:
            return False

    @property
    def primary_port(self) -> int:
        """Where the server listens that it follows; 0 if it follows none, or does not answer."""
        try:
            role = self.redis.role()
        except redis.RedisError:
            return 0
        return int(role[2]) if role[0] == "slave" else 0


class LocalCluster:
    """Masters, each with a replica. Use ``local_cluster``.

    Args:
        servers: The masters, then a replica of each.
    """

    def __init__(self, servers: list[ClusterServer]) -> None:
        self.servers = servers
        half = len(servers) // 2
        self.masters = servers[:half]
        self.replicas = servers[half:]

    @property
    def url(self) -> str:
        """What Presage is given: some of the servers."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers[::2])
        return f"redis+cluster://{hosts}"

    def client(self) -> Any:
        """Return redis-py's own client of the cluster, for looking into it."""
        nodes = [redis.cluster.ClusterNode("127.0.0.1", server.port) for server in self.servers if server.is_primary]
        return redis.RedisCluster(startup_nodes=nodes)

    def form(self) -> None:
        """Make one cluster of the servers, with the slots divided evenly."""
        for epoch, server in enumerate(self.servers, 1):
            server.redis.execute_command("CLUSTER SET-CONFIG-EPOCH", epoch)
            server.id = server.redis.execute_command("CLUSTER MYID")
        first = self.servers[0]
        for server in self.servers[1:]:
            first.redis.execute_command("CLUSTER MEET", "127.0.0.1", server.port, server.bus_port)
        step = -(-SLOTS // len(self.masters))
        for place, master in enumerate(self.masters):
            master.redis.execute_command("CLUSTER ADDSLOTSRANGE", place * step, min((place + 1) * step, SLOTS) - 1)
        wait_until(self._all_known)
        for master, replica in zip(self.masters, self.replicas, strict=True):
            replica.redis.execute_command("CLUSTER REPLICATE", master.id)
        wait_until(self._whole)

    def slots_of(self, server: ClusterServer) -> list[int]:
        """Return the slots that a server has."""
        return [
            slot
            for first, last, (_, port, *_), *_ in server.redis.execute_command("CLUSTER SLOTS")
            if port == server.port
            for slot in range(first, last + 1)
        ]

    def reshard(self, source: ClusterServer, target: ClusterServer, slots: list[int]) -> None:
        """Move slots one after another, key by key, as ``redis-cli --cluster reshard`` does."""
        # If slots were moved to the source a moment ago, it has a newer epoch. A target that has not heard of that keeps its own:
        # the source's next message takes the slot back, and then the source gives it up: no server has it.
        wait_until(self._same_epoch)
        for slot in slots:
            target.redis.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
            source.redis.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
            while keys := source.redis.execute_command("CLUSTER GETKEYSINSLOT", slot, _KEYS_PER_MIGRATE):
                source.redis.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
            for server in dict.fromkeys((target, source, *self.servers)):
                if server.is_primary:
                    server.redis.execute_command("CLUSTER SETSLOT", slot, "NODE", target.id)

    def migrate_atomically(self, source: ClusterServer, target: ClusterServer, first: int, last: int) -> None:
        """Move a range of slots at once, which Valkey can do since version 9."""
        source.redis.execute_command("CLUSTER MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", target.id)
        wait_until(lambda: first in self.slots_of(target))

    def fail_over(self, replica: ClusterServer) -> None:
        """Have a replica take over from its master, as planned."""
        replica.redis.execute_command("CLUSTER FAILOVER")
        wait_until(lambda: replica.is_primary)

    def lose(self, master: ClusterServer, replica: ClusterServer) -> float:
        """Kill a master and wait until its replica has taken over; return how many seconds that took."""
        began = time.monotonic()
        master.kill()
        wait_until(lambda: replica.is_primary and replica.redis.cluster("INFO")["cluster_state"] == "ok")
        return time.monotonic() - began

    def _same_epoch(self) -> bool:
        return len({server.redis.cluster("INFO")["cluster_current_epoch"] for server in self.servers}) == 1

    def _all_known(self) -> bool:
        return all(
            server.redis.cluster("INFO")["cluster_known_nodes"] == str(len(self.servers)) for server in self.servers
        )

    def _whole(self) -> bool:
        infos = [server.redis.cluster("INFO") for server in self.servers]
        synced = [replica.redis.info("replication").get("master_link_status") == "up" for replica in self.replicas]
        return all(info["cluster_state"] == "ok" for info in infos) and all(synced)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            found.append(int(listener.getsockname()[1]))
        return found


@contextmanager
def valkey_process(
    folder: Path, port: int, options: Mapping[str, str], *flags: str, configuration: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a valkey-server until the context ends.

    Args:
        folder: Its own, created if it does not exist.
        port: Where it listens on 127.0.0.1.
        options: Further options.
        flags: Further words of its command line.
        configuration: The text of its configuration file.
    """
    folder.mkdir(exist_ok=True)
    file = folder / "valkey.conf"
    file.write_text(configuration, encoding="utf-8")
    usual = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "save": "", "logfile": "log"}
    words = [word for name, value in (usual | dict(options)).items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [*end_with_parent(), str(find_binary()), str(file), *words, *flags], stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_until(condition: Callable[[], bool], seconds: float = _SETTLE_SECONDS) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It does not.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:g} s in vain")
        time.sleep(_POLL_SECONDS)


def wait_until_up(client: Any, seconds: float = _START_SECONDS) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


@contextmanager
def local_cluster(
    masters: int = 3, *, node_timeout_millis: int = _NODE_TIMEOUT_MILLIS, options: Mapping[str, str] | None = None
) -> Iterator[LocalCluster]:
    """Run a cluster of so many masters, each with a replica, until the context ends.

    Args:
        masters: At least 3, so that a failure can be voted on.
        node_timeout_millis: How long a server may be silent until the others take it for failed.
        options: Further options of every server.
    """
    with (
        tempfile.TemporaryDirectory(prefix="presage-cluster-", ignore_cleanup_errors=True) as folder,
        ExitStack() as stack,
    ):
        ports = free_ports(4 * masters)
        servers = []
        for place in range(2 * masters):
            bus_port = ports[2 * masters + place]
            of_cluster = {
                "cluster-enabled": "yes",
                "cluster-port": str(bus_port),
                "cluster-node-timeout": str(node_timeout_millis),
                "cluster-require-full-coverage": "no",
                "appendonly": "no",
                "repl-diskless-sync-delay": "0",
            }
            process = stack.enter_context(
                valkey_process(Path(folder) / str(place), ports[place], of_cluster | dict(options or {}))
            )
            servers.append(ClusterServer(ports[place], bus_port, process))
        for server in servers:
            stack.callback(server.redis.close)
            wait_until_up(server.redis)
        cluster = LocalCluster(servers)
        cluster.form()
        yield cluster
