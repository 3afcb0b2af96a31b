"""Second attempts of slow scores: the policy alone, and over the wire with both clients."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_client import Hedging, UnavailableError
from presage_client.hedging import HedgingPolicy
from support.scripted_servicer import Abort, Hold

ALWAYS = Hedging(max_share=1, delay_ms=200)


@pytest.fixture
async def hedging(client_class, target, options):
    client = client_class(target, options=replace(options, hedging=ALWAYS))
    await client.wait_until_ready(30)
    yield client
    await client.close()


def stats_of(client):
    """Return them; the blocking client is behind an interface that knows methods only."""
    return getattr(client, "_client", client).hedging


async def test_the_second_attempt_of_a_slow_score_is_answered_and_the_first_is_cancelled(hedging, servicer):
    slow = Hold()
    servicer.script.append(slow)
    assert (await hedging.score("u-1")).model == "plain"
    assert await asyncio.to_thread(slow.ended.wait, 10)
    first, second = servicer.received
    assert first.request == second.request
    assert first.metadata["x-request-id"] == second.metadata["x-request-id"]
    assert first.peer != second.peer  # another connection: what holds up the first does not hold up the second
    stats = stats_of(hedging)
    assert (stats.calls, stats.hedged, stats.won) == (1, 1, 1)


async def test_a_first_attempt_that_is_answered_in_time_is_the_only_one(client_class, target, options, servicer):
    client = client_class(target, options=replace(options, hedging=Hedging(max_share=1, delay_ms=10_000)))
    for number in range(20):
        await client.score(f"u-{number}")
    await client.close()
    assert len(servicer.received) == 20
    assert stats_of(client).hedged == 0


async def test_when_both_attempts_fail_the_error_is_the_first_ones(client_class, target, options, servicer):
    client = client_class(target, options=replace(options, max_attempts=1, hedging=ALWAYS))
    first, second = Hold(), Hold()
    servicer.script.extend([first, second])
    call = asyncio.create_task(client.score("u-1"))
    for step in (first, second):
        assert await asyncio.to_thread(step.reached.wait, 10)
    await client.close()
    with pytest.raises(Exception, match=r"closed|CANCELLED"):
        await call

    other = client_class(target, options=replace(options, max_attempts=1, hedging=Hedging(max_share=1, delay_ms=0.01)))
    servicer.script.extend([Abort(grpc.StatusCode.UNAVAILABLE, "away")] * 2)
    with pytest.raises(UnavailableError, match="away"):
        await other.score("u-1")
    await other.close()
    assert stats_of(other).won == 0


async def test_the_second_attempt_has_the_time_that_is_left(client_class, target, options, servicer):
    client = client_class(target, options=replace(options, hedging=Hedging(max_share=1, delay_ms=500)))
    slow = Hold()
    servicer.script.append(slow)
    await client.score("u-1")
    await client.close()
    first, second = servicer.received
    assert second.time_remaining_s - (first.time_remaining_s - (second.at - first.at)) < 0.2


async def test_nothing_but_score_is_sent_twice(hedging, servicer):
    from presage_client import Event, EventType

    servicer.script.append(Hold())
    with pytest.raises(Exception, match="DEADLINE"):
        await hedging.track(Event(type=EventType.LOGIN, user_id="u-1"), timeout_ms=200)
    servicer.script.append(Hold())
    with pytest.raises(Exception, match="DEADLINE"):
        await hedging.score_batch(["u-1"], timeout_ms=200)
    assert len(servicer.received) == 2


async def test_without_the_option_there_are_no_second_attempts(client, servicer):
    await client.score("u-1")
    assert stats_of(client).calls == 0


def test_the_delay_is_what_all_but_that_share_of_the_calls_took():
    policy = HedgingPolicy(Hedging(max_share=0.1))
    assert policy.begin() is None
    for milliseconds in range(1, 101):
        policy.begin()
        policy.end(milliseconds / 1_000)
    assert policy.stats.delay_ms == 91
    assert policy.begin() == 0.091


@given(
    share=st.floats(0.01, 1),
    slow=st.lists(st.booleans(), max_size=400),
)
def test_second_attempts_never_exceed_their_share(share, slow):
    policy = HedgingPolicy(Hedging(max_share=share, delay_ms=1))
    for number, is_slow in enumerate(slow, start=1):
        may = policy.begin() is not None
        if is_slow:
            assert policy.take() is may
        policy.end(0.1)
        assert policy.stats.hedged <= number * share + 1


def test_after_a_failure_there_are_none_until_calls_are_answered():
    policy = HedgingPolicy(Hedging(max_share=0.5, delay_ms=1))
    for _ in range(50):
        policy.begin()
    policy.fail()
    assert policy.begin() is None
    assert policy.begin() == 0.001


@pytest.mark.parametrize(
    ("field", "value"), [("max_share", 0), ("max_share", 1.5), ("delay_ms", -1), ("delay_ms", float("inf"))]
)
def test_a_wrong_option_is_named(field, value):
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        Hedging(**{field: value})
