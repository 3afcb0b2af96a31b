"""What an operator does to a cluster, and what happens to one, while a proof runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks.rig.local_cluster import ClusterServer, LocalCluster

__all__ = ["Step", "fail_over", "lose_a_master", "migrate_atomically", "reshard", "steps_beside"]

Step = tuple[str, Callable[[], object]]
"""What it is called, and what is done."""


def _masters(cluster: LocalCluster) -> list[ClusterServer]:
    """Return the servers that hold slots, those with the most first."""
    masters = [server for server in cluster.servers if server.process.poll() is None and server.is_primary]
    return sorted(masters, key=lambda server: -len(cluster.slots_of(server)))


def reshard(cluster: LocalCluster, count: int) -> Step:
    """Move so many slots one by one, key by key."""

    def run() -> None:
        source, *_, target = _masters(cluster)
        cluster.reshard(source, target, cluster.slots_of(source)[-count:])

    return f"reshard of {count} slots", run


def migrate_atomically(cluster: LocalCluster, count: int) -> Step:
    """Move so many slots at once."""

    def run() -> None:
        source, *_, target = _masters(cluster)
        slots = cluster.slots_of(source)
        first = next(slot for slot in slots if slot + count - 1 in slots)
        cluster.migrate_atomically(source, target, first, first + count - 1)

    return f"atomic migration of {count} slots", run


def fail_over(cluster: LocalCluster) -> Step:
    """Have a replica take over from its master, as planned."""

    def run() -> None:
        cluster.fail_over(next(server for server in cluster.servers if not server.is_primary))

    return "planned failover", run


def lose_a_master(cluster: LocalCluster) -> Step:
    """Kill a master that has a replica, and wait until that has taken over."""

    def run() -> None:
        master = _masters(cluster)[0]
        replica = next(server for server in cluster.servers if server.primary_port == master.port)
        cluster.lose(master, replica)

    return "kill -9 of a master", run


@contextmanager
def steps_beside(steps: Sequence[Step], *, first_after_seconds: float) -> Iterator[list[tuple[str, float]]]:
    """Take steps one after another in a thread while the context lasts, and to their end.

    Yields:
        A list that gets the name of each step that is done, and the seconds that it took.

    Raises:
        RuntimeError: A step failed.
    """
    done: list[tuple[str, float]] = []
    failures: list[BaseException] = []

    def run() -> None:
        time.sleep(first_after_seconds)
        try:
            for name, step in steps:
                began = time.monotonic()
                step()
                done.append((name, time.monotonic() - began))
        except BaseException as error:  # noqa: BLE001 - raised by the other thread
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        thread.join()
    if failures:
        raise RuntimeError(f"a step failed after {len(done)} of {len(steps)}") from failures[0]
