"""The items of servers: what the store has, and what changes there, on every server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from presage_featurizer import Item
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items_counter import CatalogueChange, item_number
from presage_featurizer.ranking.items_live import LiveColumns
from presage_featurizer.ranking.items_summary import Groups, Summary
from presage_featurizer.ranking.tables import RankingTables
from presage_server.errors import StoreStartError
from presage_server.items.keys import BUCKETS
from presage_server.items.live_items import LiveItems
from presage_server.models.ranking import load_ranking_model
from support.items import WIDTH_MICROS, a_follower, an_event, loaded, put_change, put_event, run_once
from support.rankings import write_ranking_bundle
from support.running_server import GENEROUS_SECONDS
from support.stores import local_store


@contextmanager
def live(store, prepare=id) -> Iterator[LiveItems]:
    items = LiveItems.open(store.url, WIDTH_MICROS, prepare)
    try:
        yield items
    finally:
        items.close()


def until(items: LiveItems, condition) -> None:
    """Wait until something holds; nothing has to be done for it."""
    deadline = time.monotonic() + GENEROUS_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def values(items: LiveItems, *item_ids: str):
    numbers = [item_number(item_id) for item_id in item_ids]
    return items.columns.live_values(items.columns.rows_of(numbers), numbers)


def stock(items: LiveItems, item_id: str) -> int:
    return int(values(items, item_id).stock[0])


def publish(store, *item_ids: str) -> None:
    """Have items viewed a while ago, and counted."""
    moment = store.redis.time()[0] * 1_000 - 5_000
    for place, item_id in enumerate(item_ids):
        put_event(store, an_event("u", Item(item_id)), f"{moment}-{place + store.redis.dbsize()}")
    with a_follower(store) as follower:
        run_once(follower)


def test_changes_reach_every_server_in_their_order(store):
    publish(store, "counted")
    with ExitStack() as stack:
        servers = [stack.enter_context(live(store)) for _ in range(2)]
        for units in range(30):
            put_change(store, CatalogueChange("counted", stock=units), CatalogueChange("new", stock=units + 1))
        put_change(store, CatalogueChange("counted", blocked=True, price_micros=5_000_000))
        for server in servers:
            until(server, lambda server=server: bool(values(server, "counted").blocked[0]))
            assert (stock(server, "counted"), stock(server, "new")) == (29, 30)
            assert server.columns.live_prices[0] == 5.0
            assert server.columns.prices[0] == 0.0, "features wait for the bucket"


def test_epochs_reach_every_server_and_are_equal_byte_for_byte(store):
    with ExitStack() as stack:
        servers = [stack.enter_context(live(store)) for _ in range(2)]
        for name in ("a", "b", "c"):
            put_change(store, CatalogueChange(name, stock=7, category="hats"))
            time.sleep(1.1)  # so that the change is in a bucket that is over
            publish(store, name)
            expected = loaded(store)
            for server in servers:
                epoch = expected.epoch
                until(server, lambda server=server, epoch=epoch: server.columns.epoch >= epoch)
                assert server.columns.fingerprint() == expected.fingerprint()
                assert stock(server, name) == 7
        late = stack.enter_context(live(store))
        assert late.columns.fingerprint() == expected.fingerprint()
        assert late.columns.category_code("hats") == 1
        assert values(late, "a", "b", "c").stock.tolist() == [7, 7, 7]


def test_a_server_starts_from_a_checkpoint_with_live_values(store):
    put_change(store, CatalogueChange("a", stock=1, tags=("new",)), CatalogueChange("b", blocked=True))
    publish(store, "a")
    with a_follower(store) as follower:
        run_once(follower)
        follower.save()
    put_change(store, CatalogueChange("a", stock=2))
    with live(store) as items:
        found = values(items, "a", "b")
        assert (found.stock.tolist(), found.blocked.tolist(), found.tags) == ([2, -1], [False, True], [("new",), ()])


def test_a_server_that_missed_buckets_loads_its_items_again(store, caplog):
    publish(store, "a")
    with live(store) as items:
        assert items.columns.ids == ["a"]
        store.redis.delete(*store.redis.keys("{items}*"))
        time.sleep(1.1)  # so that the next bucket is a later one
        publish(store, "b")
        put_change(store, CatalogueChange("b", stock=9))
        until(items, lambda: items.columns.ids == ["a", "b"] and stock(items, "b") == 9)
        assert items.columns.fingerprint() == loaded(store).fingerprint()
    assert "items are loaded again" in caplog.text


def test_changes_wait_for_a_store_that_goes_away(short_directory):
    with local_store(short_directory / "items.sock") as store:
        put_change(store, CatalogueChange("a", stock=1))
        with live(store) as items:
            until(items, lambda: stock(items, "a") == 1)
            store.stop()
            store.start()
            put_change(store, CatalogueChange("a", stock=2))
            until(items, lambda: stock(items, "a") == 2)


def test_the_thread_that_serves_computes_nothing_of_a_new_epoch(store, tmp_path, monkeypatch):
    """Whoever asks for features and tables after an epoch gets those that another thread made."""
    write_ranking_bundle(tmp_path)
    model = load_ranking_model(next(tmp_path.glob("*/*")))
    here: list[str] = []
    elsewhere: set[str] = set()

    def watch(owner: type, name: str) -> None:
        before = getattr(owner, name)

        def watched(*args, **options):
            if threading.current_thread() is threading.main_thread():
                here.append(name)
            else:
                elsewhere.add(name)
            return before(*args, **options)

        monkeypatch.setattr(owner, name, staticmethod(watched) if owner in {Groups, Summary} else watched)

    with live(store, model.tables) as items:
        for owner, name in (
            (ItemFeatures, "_compute"),
            (ItemFeatures, "refresh"),
            (Groups, "of"),
            (Summary, "of"),
            (RankingTables, "bound"),
            (LiveColumns, "apply"),
        ):
            watch(owner, name)
        for names in (["a", "b"], ["c"], ["b"]):
            put_change(store, *(CatalogueChange(name, stock=3, category="hats") for name in names))
            time.sleep(1.1)  # so that the change is in a bucket that is over
            publish(store, *names)
            epoch = loaded(store).epoch
            until(items, lambda epoch=epoch: items.columns.epoch >= epoch)
            here.clear()  # what the follower did
            features = items.features
            assert features.items is items.columns
            assert features.size == len(items.columns)
            assert model.tables(features.items).bound_items == features.size
            assert len(features.orders.popular(1)) == len(features.items.summary.by_category[1]) > 0
            assert values(items, *names).stock.tolist() == [3] * len(names)
            assert here == []
    assert elsewhere == {"_compute", "refresh", "of", "bound", "apply"}


def test_changes_hold_in_their_order_while_a_large_catalogue_is_taken_over(store):
    with live(store) as items:
        names = [f"item-{number}" for number in range(3_000)]
        put_change(store, *(CatalogueChange(name, stock=3) for name in names))
        time.sleep(1.1)
        with a_follower(store) as follower:
            run_once(follower)
        units = 100
        while len(items.columns) < len(names):
            units += 1
            put_change(store, CatalogueChange("item-7", stock=units - 1), CatalogueChange("item-7", stock=units))
            until(items, lambda units=units: stock(items, "item-7") == units)
        assert units > 101
        assert sorted(values(items, *names).stock.tolist())[:-1] == [3] * (len(names) - 1)
        assert stock(items, "item-7") == units
        assert not items.columns.live.pending


def test_a_server_starts_without_stored_items_that_cannot_be_read_and_takes_them_when_they_can(store, caplog):
    store.redis.xadd(BUCKETS, {"bucket": b"nonsense", "after": -1, "parts": 1, "width": 1}, id="5-0")
    with live(store) as items:
        assert "items stay as they are: items' bucket b'5-0': items' bucket: expected CRC-32" in caplog.text
        assert len(items.columns) == 0
        store.redis.delete(BUCKETS)
        publish(store, "a")
        until(items, lambda: items.columns.ids == ["a"])
        until(items, lambda: "items are up to date again" in caplog.text)


def test_a_store_that_does_not_answer_keeps_a_server_from_starting(short_directory):
    with pytest.raises(StoreStartError, match="redis_url: the items cannot be loaded"):
        LiveItems.open(f"unix://{short_directory / 'nothing.sock'}", WIDTH_MICROS)
