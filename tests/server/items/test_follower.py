"""The follower on a real store: wherever it is killed, the buckets are those of a recount of the streams."""

from __future__ import annotations

from random import Random

import pytest
from redis import Redis

from presage_featurizer import EventType, Item
from presage_featurizer.event_log import partition_of, stream_key
from presage_featurizer.ranking.items_counter import CatalogueChange, item_number
from presage_server.items import item_store
from presage_server.items.item_store import ChainBrokenError, ItemStore, join_parts
from presage_server.items.keys import BUCKETS, CATALOGUE_STREAM
from support.items import (
    WIDTH_MILLIS,
    FailingRedis,
    Killed,
    OneClient,
    a_follower,
    an_event,
    loaded,
    make_follower,
    put_change,
    put_event,
    recounted,
    run_once,
)

START_MILLIS = 1_700_000_000_000
KINDS = (EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE, EventType.PAGE_VIEW)


def fill(store, *, seed: int = 1, events: int = 120, from_millis: int = START_MILLIS, buckets: int = 8) -> None:
    """Fill the streams of several visitors and the catalogue with entries of some buckets."""
    random = Random(seed)
    moments = sorted(random.randrange(buckets * WIDTH_MILLIS) + from_millis for _ in range(events))
    for number, moment in enumerate(moments):
        item_id = f"item-{random.randrange(12)}"
        if random.random() < 0.2:
            change = CatalogueChange(
                item_id, random.choice([None, 0, 5_000_000]), random.choice([None, "hats"]), stock=random.randrange(3)
            )
            put_change(store, change, entry_id=f"{moment}-{number}")
        else:
            item = Item(item_id, random.choice(["", "shoes"]), "", random.choice([0, 1_000_000]))
            event = an_event(
                f"user-{random.randrange(30)}", item, kind=random.choice(KINDS), country=random.choice(["", "DE", "FR"])
            )
            put_event(store, event, f"{moment}-{number}")


def fingerprints(store) -> dict[int, str]:
    """Return the fingerprint of the columns of each stored epoch that something happened in."""
    columns, last, found, parts = loaded_empty(store), "", {}, []
    while entries := ItemStore(store.redis).bucket_parts(last):
        last = entries[-1].entry_id
        for part in entries:
            bucket = join_parts(parts, part, columns.epoch)
            if bucket is not None:
                columns.apply(*bucket)
                found[columns.epoch] = columns.fingerprint()
    return found


def loaded_empty(store):
    from presage_featurizer.ranking.items import ItemColumns

    return ItemColumns(WIDTH_MILLIS * 1_000)


def test_buckets_are_those_of_a_recount(store):
    fill(store)
    with a_follower(store) as follower:
        run_once(follower)
    columns = loaded(store)
    found = fingerprints(store)
    parts = ItemStore(store.redis).bucket_parts("")
    assert {country for part in parts for country in part.bucket.countries} == {"DE", "FR"}
    assert columns.fingerprint() == recounted(store, columns.epoch).fingerprint()
    assert len(found) >= 8
    for epoch, fingerprint in found.items():
        assert fingerprint == recounted(store, epoch).fingerprint()
    assert (follower.progress.lost, follower.progress.late) == (0, 0)


def test_a_bucket_is_published_only_after_its_end(store):
    seconds, micros = store.redis.time()
    now = seconds * 1_000 + micros // 1_000
    hour_millis = 3_600_000
    put_event(store, an_event("u", Item("old")), f"{now - hour_millis}-0")
    put_event(store, an_event("u", Item("new")), f"{now}-0")
    with a_follower(store, width_micros=hour_millis * 1_000) as follower:
        run_once(follower)
    columns = ItemStore(store.redis).load(hour_millis * 1_000).columns
    assert columns.ids == ["old"], "the hour of the other is not over"
    assert columns.epoch == now // hour_millis - 1


@pytest.mark.parametrize("kill_after", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_follower_that_is_killed_at_any_command_is_replaced_without_a_trace(store, kill_after, monkeypatch):
    monkeypatch.setattr(item_store, "ITEMS_PER_PART", 3)  # so that buckets have several parts
    recently = store.redis.time()[0] * 1_000 - 60_000
    fill(store, events=60, buckets=3, from_millis=recently)
    with a_follower(store) as follower:
        run_once(follower)
        follower.save()
    expected = fingerprints(store)
    happened = sorted(expected)[:3]  # later ones are empty
    content = {key: value for key, value in store.everything().items() if not key.startswith(b"{items}")}
    kill_at = 0
    while True:
        for key in store.redis.scan_iter("{items}*"):
            if key != CATALOGUE_STREAM.encode():
                store.redis.delete(key)
        redis = FailingRedis.from_url(store.url, protocol=2)
        redis.kill_at, redis.kill_after = kill_at, kill_after
        killed = True
        try:
            first = make_follower(OneClient(redis), [])
            run_once(first)
            first.save()
            killed = False
        except Killed:
            pass
        redis.connection_pool.disconnect()
        with a_follower(store) as second:
            run_once(second)
            second.save()
        found = fingerprints(store)
        assert {epoch: found.get(epoch) for epoch in happened} == {epoch: expected[epoch] for epoch in happened}
        columns = loaded(store)
        assert columns.fingerprint() == recounted(store, columns.epoch).fingerprint()
        if not killed:
            break
        kill_at += 1
    assert kill_at > 20
    assert content == {key: value for key, value in store.everything().items() if not key.startswith(b"{items}")}


def test_two_followers_at_once_publish_the_same_once(store):
    fill(store)
    with a_follower(store) as one, a_follower(store) as two:
        one.prepare()
        two.prepare()
        for _ in range(20):
            one.step()
            two.step()
        fill(store, seed=2, from_millis=START_MILLIS + 60_000)
        for _ in range(5):
            two.step()
            one.step()
    columns = loaded(store)
    assert columns.sums[-1].sum() > 0
    found = fingerprints(store)
    assert columns.fingerprint() == found[columns.epoch]


def test_a_follower_goes_on_from_a_checkpoint_and_old_buckets_leave_the_store(store):
    fill(store)
    with a_follower(store) as follower:
        run_once(follower)
        before = loaded(store)
        follower.save()
        assert store.redis.xlen(BUCKETS) <= 1
    restored = loaded(store)
    assert restored.fingerprint() == before.fingerprint()
    numbers = [item_number(f"item-{number}") for number in range(12)]
    with a_follower(store) as follower:
        run_once(follower)
        follower.save()
        assert len(list(store.redis.scan_iter("{items}:checkpoint:*"))) < 10, "the one before is deleted"
    after = loaded(store)
    assert after.stock[after.rows_of(numbers)].tolist() == _last_stock(follower, numbers)


def _last_stock(follower, numbers) -> list[int]:
    columns = follower._columns
    return columns.live_values(columns.rows_of(numbers), numbers).stock.tolist()


def test_what_left_the_streams_unread_is_reported(store):
    warnings: list[str] = []
    put_event(store, an_event("u", Item("a")), f"{START_MILLIS}-0")
    with a_follower(store, warnings) as follower:
        run_once(follower)
        for number in range(1, 11):
            put_event(store, an_event("u", Item(f"b-{number}")))
        store.redis.xtrim(stream_key(partition_of("u")), maxlen=3, approximate=False)
    with a_follower(store, warnings) as follower:
        run_once(follower)
    assert follower.progress.lost == 7
    assert [line.split(":")[0] for line in warnings] == ["LOST"]


def test_events_that_cannot_be_read_are_counted_and_skipped(store):
    warnings: list[str] = []
    put_event(store, an_event("u", Item("a")), f"{START_MILLIS}-0")
    store.redis.xadd(stream_key(0), {"event": b"nonsense"}, id=f"{START_MILLIS}-0")
    store.redis.xadd(stream_key(1), {"vector": b"nothing to count"}, id=f"{START_MILLIS}-0")
    store.redis.xadd(CATALOGUE_STREAM, {"changes": b"nonsense"}, id=f"{START_MILLIS}-0")
    put_change(store, CatalogueChange("b", stock=1), entry_id=f"{START_MILLIS}-1")
    with a_follower(store, warnings) as follower:
        run_once(follower)
    assert follower.progress.unreadable == 2
    assert len(loaded(store)) == 2
    assert len(warnings) == 1


def test_a_shop_without_items_stores_nothing(store):
    put_event(store, an_event("u"), f"{START_MILLIS}-0")
    with a_follower(store) as follower:
        run_once(follower)
    assert [key for key in store.redis.scan_iter() if key.startswith(b"{items}")] == []


def test_the_width_of_the_first_bucket_stays(store):
    warnings: list[str] = []
    fill(store, events=10)
    with a_follower(store) as follower:
        run_once(follower)
    with a_follower(store, warnings, width_micros=60_000_000) as follower:
        run_once(follower)
        assert follower.width_micros == WIDTH_MILLIS * 1_000
    assert warnings == ["buckets of 1 s are stored, so they stay that wide, not 60 s"]


def test_a_store_that_was_emptied_is_counted_again_from_its_beginning(store):
    fill(store)
    with a_follower(store) as follower:
        run_once(follower)
        store.redis.flushall()
        fill(store, seed=5)
        for _ in range(3):
            follower.step()
        run_once(follower)
    columns = loaded(store)
    assert columns.fingerprint() == recounted(store, columns.epoch).fingerprint()


def test_a_gap_between_buckets_is_found_out(store):
    fill(store)
    with a_follower(store) as follower:
        run_once(follower)
    middle = store.redis.xrange(BUCKETS)[3][0]
    store.redis.xdel(BUCKETS, middle)
    with pytest.raises(ChainBrokenError, match="expected part 0 of the bucket after"):
        loaded(store)


def test_the_client_of_tests_kills_where_it_should(store):
    redis = FailingRedis.from_url(store.url, protocol=2)
    redis.kill_at = 1
    assert isinstance(redis, Redis)
    redis.set("a", 1)
    with pytest.raises(Killed):
        redis.set("b", 1)
    assert store.redis.get("b") is None
    redis.connection_pool.disconnect()
