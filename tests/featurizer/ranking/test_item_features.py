"""Features of items: refreshed ones are those of a fresh start."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, Event, EventType, Item
from presage_featurizer.ranking import item_features
from presage_featurizer.ranking.item_features import FAR, ITEM_FEATURES, MAX_COLD, ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.items_counter import BucketCounter, CatalogueChange, Place
from presage_featurizer.ranking.items_replay import ItemReplay
from tests.support.small_shops import HOUR, NOW, small_shop

ITEMS = st.builds(
    Item,
    st.integers(0, 12).map("item-{}".format),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["", "x", "y"]),
    st.sampled_from([0, 3 * MICROS, 40 * MICROS]),
)
KINDS = st.sampled_from(
    [EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE, EventType.VIEW_ITEM_LIST, EventType.SELECT_ITEM]
)
STEPS = st.lists(
    st.tuples(st.sampled_from([MICROS, HOUR, 9 * 24 * HOUR]), KINDS, st.lists(ITEMS, min_size=1, max_size=4)),
    max_size=15,
)


def everything(features: ItemFeatures) -> list:
    size = features.size
    arrays = [
        getattr(features, name)[:size] for name in ("values", "codes", "prices", "first_seen_unix_micros", "popularity")
    ]
    arrays += [features.popular, features.priors[features.codes[:size, 0] // 3]]
    orders = [
        features.orders.popular(category, brand).tolist() + features.orders.near_price(category, 5.0, 3).tolist()
        for category in range(4)
        for brand in range(3)
    ]
    return [array.tolist() for array in arrays] + orders + [features.orders.low_price(1)]


@given(steps=STEPS, prepared=st.lists(st.booleans(), min_size=16, max_size=16))
@settings(deadline=None, max_examples=100)
def test_forked_features_are_those_of_a_fresh_start_and_leave_those_before_as_they_were(steps, prepared):
    columns = ItemColumns()
    counter, features, now = BucketCounter(columns.bucket_micros), ItemFeatures(columns), NOW
    for (wait, kind, items), is_prepared in zip(steps, prepared, strict=False):
        now += wait
        counter.add(Event("e", kind, "u", now, items=tuple(items)), Place(now))
        before, fork = everything(features), features.items.fork()
        for number in counter.open_buckets:
            fork.stage(counter.close(number))
        now += 60 * MICROS
        newer = features.fork(fork)
        if is_prepared:
            newer.prepare()
        assert everything(features) == before
        fork.settle()
        features = newer
        assert everything(features) == everything(ItemFeatures(fork))


@given(steps=STEPS, refreshed=st.lists(st.booleans(), min_size=15, max_size=15), forked=st.booleans())
@settings(deadline=None, max_examples=100)
def test_refreshed_features_are_those_of_a_fresh_start(steps, refreshed, forked):
    columns = ItemColumns()
    replay, features, now = ItemReplay(columns), ItemFeatures(columns), NOW
    for (wait, kind, items), is_refreshed in zip(steps, refreshed, strict=False):
        now += wait
        replay.add(Event("e", kind, "u", now, items=tuple(items)), now)
        if is_refreshed:
            features.refresh(columns.fork() if forked else None)
            everything(features)  # orders that are kept must be made again after the next change
    replay.close_before(now + HOUR)
    features.refresh(columns)
    assert everything(features) == everything(ItemFeatures(columns))


def test_few_rows_are_computed_at_once_without_a_difference(monkeypatch):
    expected = everything(small_shop().features)
    monkeypatch.setattr(item_features, "_ROWS_AT_ONCE", 7)
    assert everything(ItemFeatures(small_shop().columns)) == expected


def test_only_changed_rows_are_computed_again(monkeypatch):
    columns = small_shop().columns
    features, computed = ItemFeatures(columns), []
    before = ItemFeatures._compute
    monkeypatch.setattr(ItemFeatures, "_compute", lambda self, rows: (computed.append(rows), before(self, rows)))
    replay = ItemReplay(columns)
    replay.add(Event("e", EventType.VIEW_ITEM, "u", NOW, items=(Item("item-3"),)), NOW)
    features.refresh()
    assert computed == []
    replay.add_change(CatalogueChange("item-4", price_micros=9 * MICROS), NOW)
    replay.close_before(NOW + 60 * MICROS)
    features.refresh()
    assert sorted(np.concatenate(computed).tolist()) == sorted(
        row for row, item_id in enumerate(columns.ids) if item_id in {"item-3", "item-4"}
    )


def test_rows_beyond_the_items_are_those_of_an_item_without_counts():
    features = small_shop().features
    beyond = [features.size, features.size + MAX_COLD - 1, UNKNOWN]
    for row in beyond:
        values = dict(zip(ITEM_FEATURES, features.values[row].tolist(), strict=False))
        assert values.pop("popularity_rank") == FAR
        assert set(values.values()) == {0.0}
        assert features.codes[row].tolist() == [0, 1, 2]


def test_the_most_popular_items_come_first_and_equal_ones_in_the_order_of_their_digests():
    shop = small_shop(items=300)
    popularity = shop.features.popularity[: shop.features.size]
    expected = sorted(
        np.flatnonzero(popularity).tolist(), key=lambda row: (-popularity[row], int(shop.columns.digests[row]))
    )
    assert shop.features.popular.tolist() == expected[:200]
    ranks = shop.features.values[:, list(ITEM_FEATURES).index("popularity_rank")]
    assert ranks[expected[:200]].tolist() == list(range(200))


def test_a_category_in_order_of_popularity_and_price():
    shop = small_shop(items=300)
    features, columns = shop.features, shop.columns
    code = columns.category_code("category-1")
    rows = [row for row in range(len(columns)) if columns.categories[row] == code]
    digests = columns.digests.tolist()
    by_popularity = sorted(rows, key=lambda row: (-features.popularity[row], digests[row]))
    assert features.orders.popular(code).tolist() == by_popularity[:60]
    brand = columns.brand_code("brand-2")
    assert (
        features.orders.popular(code, brand).tolist()
        == [row for row in by_popularity if columns.brands[row] == brand][:60]
    )
    by_price = sorted(rows, key=lambda row: (columns.prices[row], digests[row]))
    near = features.orders.near_price(code, 5.0, 4).tolist()
    lower = [row for row in by_price if columns.prices[row] < 5.0]
    assert near == lower[-4:] + [row for row in by_price if columns.prices[row] >= 5.0][:4]
    priced = [columns.prices[row] for row in by_price if columns.prices[row] > 0.0]
    assert features.orders.low_price(code) == priced[len(priced) // 4]
    assert len(features.orders.popular(0)) == len(features.orders.near_price(0, 5.0, 4)) == 0
