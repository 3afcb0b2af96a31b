"""A worker whose supervisor has given a change up and ordered another one serves the other one."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest

from presage_server.models.plan import Plan
from presage_server.workers.changes import WorkerChanges


class _SlowSwapper:
    """Prepares a plan whenever it is let."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.at_once = 0
        self.served: list[Plan] = []

    def prepare(self, plan: Plan) -> Plan:
        self.at_once += 1
        assert self.at_once == 1, "expected one thread at a time"
        self.go_on.wait(10)
        self.at_once -= 1
        return plan

    def commit(self, prepared: Plan) -> None:
        self.served.append(prepared)


@pytest.fixture
def changes():
    replies: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    swapper = _SlowSwapper()
    changes = WorkerChanges(lambda **reply: replies.put_nowait(reply), None)
    changes.start(swapper)
    return changes, swapper, replies


def plan(reason: str) -> Plan:
    return Plan(problems={"conversion": {"9": reason}})


async def test_a_change_that_was_given_up_is_not_served_in_place_of_the_next_one(changes):
    changes, swapper, replies = changes
    for number, reason in ((1, "slow"), (2, "next")):
        changes.obey({"command": "prepare", "number": number, "plan": msgspec.to_builtins(plan(reason))})
        if number == 1:
            changes.obey({"command": "abandon"})
        await asyncio.sleep(0.01)
    swapper.go_on.set()
    assert await replies.get() == {"reply": 1, "problem": "it was abandoned meanwhile", "key": None}
    assert await replies.get() == {"reply": 2}
    changes.obey({"command": "commit", "number": 3})
    assert await replies.get() == {"reply": 3}
    assert swapper.served == [plan("next")]


async def test_nothing_is_served_of_a_change_that_was_abandoned(changes):
    changes, swapper, replies = changes
    swapper.go_on.set()
    changes.obey({"command": "prepare", "number": 1, "plan": msgspec.to_builtins(plan("one"))})
    assert await replies.get() == {"reply": 1}
    changes.obey({"command": "abandon"})
    changes.obey({"command": "commit", "number": 2})
    assert (await replies.get())["problem"] == "nothing is prepared"
    assert swapper.served == []
