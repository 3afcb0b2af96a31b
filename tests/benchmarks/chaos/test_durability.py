from __future__ import annotations

from benchmarks.chaos.durability import measure_waitaof


async def test_a_store_that_always_syncs_answers_after_the_sync(tmp_path):
    """What `everysec` does is measured, not promised."""
    waits = {one.setting: one for one in await measure_waitaof(tmp_path)}
    assert waits.keys() == {"everysec", "always"}
    assert not waits["always"].is_early
