from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from presage_server.access.limits import SLOTS, RateLimit, slots_of

RATES = st.floats(0.01, 10_000)
PAUSES = st.lists(st.floats(0, 5), min_size=1, max_size=200)


@given(rate=RATES, burst=st.integers(0, 50), pauses=PAUSES)
def test_no_time_has_more_calls_than_the_rate_and_one_burst(rate, burst, pauses):
    limit = RateLimit([0.0], 0, rate, burst)
    now, passed = 1_000.0, []
    for pause in pauses:
        now += pause
        if not limit.take(now):
            passed.append(now)
    room = max(1.0, burst or rate)
    for first, start in enumerate(passed):
        for count, end in enumerate(passed[first:], 1):
            assert count <= room + (end - start) * rate + 1e-3


@given(rate=RATES, burst=st.integers(0, 50), pauses=PAUSES)
def test_who_waits_as_long_as_is_said_passes_and_who_does_not_costs_nothing(rate, burst, pauses):
    limit = RateLimit([0.0], 0, rate, burst)
    now = 1_000.0
    for pause in pauses:
        now += pause
        wait = limit.take(now)
        if wait:
            assert limit.take(now) == wait
            now += wait + 1e-6
            assert limit.take(now) == 0.0


def test_limits_of_one_slot_count_together():
    slots = [0.0, 0.0]
    here, there, other = (RateLimit(slots, slot, 1.0, 3) for slot in (0, 0, 1))
    assert [limit.take(10.0) for limit in (here, there, here)] == [0.0, 0.0, 0.0]
    assert there.take(10.0) > 0.0
    assert other.take(10.0) == 0.0


def test_a_rate_that_is_raised_holds_at_once():
    slots = [0.0]
    slow, fast = RateLimit(slots, 0, 0.01, 3), RateLimit(slots, 0, 100.0, 1)
    while not slow.take(10.0):
        pass
    assert 0.0 < fast.take(10.0) <= 0.01 + 1e-6
    assert fast.take(10.02) == 0.0


@given(st.sets(st.binary(min_size=32, max_size=32), max_size=20), st.randoms())
def test_slots_are_the_same_in_every_process_and_no_two_tokens_share_one(digests, dice):
    # Of few values, so that some meet.
    digests = {(int.from_bytes(digest[:8], "big") % 3).to_bytes(8, "big") + digest[8:] for digest in digests}
    shuffled = list(digests)
    dice.shuffle(shuffled)
    slots = slots_of(shuffled)
    assert slots == slots_of(sorted(digests))
    assert len(set(slots.values())) == len(digests)
    assert all(0 <= slot < SLOTS for slot in slots.values())
