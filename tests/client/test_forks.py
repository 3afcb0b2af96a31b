"""Clients in processes that really fork, as the workers of a web server do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.scripted_servicer import ScriptedServicer, serving

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

START = """
import asyncio, os, sys, faulthandler
from presage_client import AsyncClient, Client, ClientOptions, Event, EventQueue, EventType, QueueOptions
target, options = sys.argv[1], ClientOptions(timeout_ms=20_000)

def in_child(work):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(30, exit=True)
        try:
            print(work())
        except RuntimeError as error:
            print("RuntimeError:", error)
        sys.stdout.flush()
        sys.exit(0)  # and not _exit: what the parent had must not harm the end of the child, either
    assert os.waitpid(child, 0)[1] == 0
"""


def run(script: str, target: str, **variables: str) -> list[str]:
    """Run a script in a process of its own; return its lines."""
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_ENABLE_FORK_SUPPORT"}
    done = subprocess.run(
        [sys.executable, "-c", START + script, target],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def servicer():
    return ScriptedServicer()


@pytest.fixture
def target(servicer):
    with serving(servicer) as target:
        yield target


def test_a_client_that_was_made_before_the_fork_and_not_used_works_in_every_worker(target, servicer):
    script = """
client = Client(target, options=options)
queue = EventQueue(client)
def work():
    queue.put(Event(type=EventType.LOGIN, user_id="worker"))
    return client.score("worker").model, queue.close()
for _ in range(3):
    in_child(work)
print(client.score("parent").model)
"""
    assert run(script, target) == ["('plain', True)"] * 3 + ["plain"]
    assert len(servicer.requests("TrackEvents")) == 3


def test_a_client_that_was_used_before_says_what_to_do_instead_of_hanging(target):
    script = """
client = Client(target, options=options)
client.score("parent")
queue = EventQueue(client)
in_child(lambda: client.score("worker"))
in_child(lambda: Client(target, options=options).score("worker"))
in_child(lambda: queue.put(Event(type=EventType.LOGIN, user_id="worker")))
print(client.score("parent").model)
"""
    *refused, after = run(script, target)
    assert len(refused) == 3
    assert all(line.startswith("RuntimeError: gRPC cannot be used in this process: it was forked") for line in refused)
    assert after == "plain"


def test_a_client_that_was_closed_before_the_fork_harms_nobody(target):
    script = """
with Client(target, options=options) as client:
    client.score("parent")
in_child(lambda: Client(target, options=options).score("worker").model)
"""
    assert run(script, target) == ["plain"]


def test_with_grpcs_support_of_forks_clients_connect_again(target, servicer):
    script = """
client = Client(target, options=options)
client.score("parent")
for _ in range(3):
    in_child(lambda: client.score("worker").model)
print(client.score("parent").model)
"""
    assert run(script, target, GRPC_ENABLE_FORK_SUPPORT="1") == ["plain"] * 4
    peers = [call.peer for call in servicer.received]
    assert len(set(peers)) == 4
    assert peers[0] == peers[-1]


def test_an_async_client_works_where_it_is_first_used(target):
    script = """
client = AsyncClient(target, options=options)
async def work():
    return (await client.score("worker")).model
in_child(lambda: asyncio.run(work()))
async def parent():
    await client.score("parent")
    in_child(lambda: Client(target, options=options).score("worker"))
asyncio.run(parent())
"""
    works, refused = run(script, target)
    assert works == "plain"
    assert refused.startswith("RuntimeError: gRPC cannot be used")


def test_the_events_of_a_parent_are_the_parents_to_send(target, servicer):
    script = """
client = Client(target, options=options)
queue = EventQueue(client, options=QueueOptions(linger_ms=60_000, timeout_ms=20_000))
queue.put(Event(type=EventType.LOGIN, user_id="parent", event_id="of-parent"))
def work():
    before = queue.stats.put
    queue.put(Event(type=EventType.LOGIN, user_id="worker", event_id="of-worker"))
    return before, queue.close()
in_child(work)
print(queue.close())
"""
    assert run(script, target) == ["(0, True)", "True"]
    sent = [event.event_id for request in servicer.requests("TrackEvents") for event in request.events]
    assert sent == ["of-worker", "of-parent"]
