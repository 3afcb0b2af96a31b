"""Items as columns: the same bytes however the log was read, and what the buckets and the catalogue say of them."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, CorruptStateError, Event, EventType, Item, NewerStateError
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.items_bucket import COUNTED_TYPES, ItemBucket, decode_bucket, encode_bucket
from presage_featurizer.ranking.items_checkpoint import checkpoint_chunks, restore_checkpoint
from presage_featurizer.ranking.items_counter import CATALOGUE, BucketCounter, CatalogueChange, Place, item_number
from presage_featurizer.ranking.items_live import LiveColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.items_windows import WINDOW_DAYS

WIDTH = 60 * MICROS
HOUR = 3_600 * MICROS
START = 1_700_000_000_000_000 // HOUR * HOUR

ids = st.sampled_from(["a", "b", "c", "d", "long item id"])
texts = st.sampled_from(["", "shoes", "hats"])
prices = st.sampled_from([0, 1, 9_990_000])
items = st.builds(Item, ids, texts, texts, prices)
kinds = st.sampled_from([*COUNTED_TYPES, EventType.REMOVE_FROM_CART])
events = st.builds(
    lambda kind, found, country: Event("e", kind, "u", START, items=tuple(found), country=country),
    kinds,
    st.lists(items, max_size=3),
    st.sampled_from(["", "DE", "FR"]),
)
changes = st.builds(
    CatalogueChange,
    ids,
    st.none() | prices,
    st.none() | texts,
    st.none() | texts,
    st.none() | st.just(("new",)),
    st.none() | st.integers(0, 3),
    st.none() | st.booleans(),
    st.none() | st.just(START - 7),
)
# Mostly minutes apart, sometimes weeks, so that windows move.
steps = st.sampled_from([0, 1, 30 * MICROS, 20 * 60 * MICROS, 5 * HOUR, 9 * 24 * HOUR])
logs = st.lists(st.tuples(steps, st.integers(0, 3), events | changes), max_size=40)


def placed(log) -> list[tuple[Place, Event | CatalogueChange]]:
    """Give each entry of a log its place: a time, and its number among those of its stream at that time."""
    now, sequences, entries = START, defaultdict(int), []
    for step, partition, entry in log:
        now += step
        stream = CATALOGUE if isinstance(entry, CatalogueChange) else partition
        entries.append((Place(now, sequences[now, stream], stream), entry))
        sequences[now, stream] += 1
    return entries


def count(counter: BucketCounter, place: Place, entry: Event | CatalogueChange) -> None:
    if isinstance(entry, CatalogueChange):
        counter.add_change(entry, place)
    else:
        counter.add(entry, place)


def fingerprints(counter: BucketCounter) -> dict[int, str]:
    """Close all buckets and return the fingerprint of the columns at each epoch."""
    columns, found = ItemColumns(WIDTH), {}
    for number in counter.open_buckets:
        columns.apply(decode_bucket(encode_bucket(counter.close(number))))
        found[columns.epoch] = columns.fingerprint()
    return found


def in_order(entries) -> BucketCounter:
    counter = BucketCounter(WIDTH)
    for place, entry in entries:
        count(counter, place, entry)
    return counter


@given(logs, st.integers(1, 5), st.data())
def test_columns_of_every_epoch_are_equal_for_any_number_of_counters_and_any_order(log, counters, data):
    entries = placed(log)
    shuffled = data.draw(st.permutations(entries))
    several = [BucketCounter(WIDTH) for _ in range(counters)]
    for place, entry in shuffled:
        count(several[data.draw(st.integers(0, counters - 1))], place, entry)
    merged = BucketCounter(WIDTH)
    for counter in data.draw(st.permutations(several)):
        merged.merge(counter)
    assert fingerprints(merged) == fingerprints(in_order(entries))


@given(logs)
def test_sums_are_those_of_a_recount(log):
    entries = placed(log)
    columns, counter = ItemColumns(WIDTH), in_order(entries)
    for number in counter.open_buckets:
        columns.apply(counter.close(number))
        hour = number * WIDTH // HOUR
        for item_id, row in ((item_id, row) for row, item_id in enumerate(columns.ids)):
            for window, days in enumerate((*WINDOW_DAYS, 10**6)):
                for place, kind in enumerate(COUNTED_TYPES):
                    expected = sum(
                        item.item_id == item_id
                        for at, entry in entries
                        if isinstance(entry, Event) and entry.type == kind
                        for item in entry.items
                        if at.unix_micros // WIDTH <= number and at.unix_micros // HOUR >= hour - days * 24
                    )
                    assert columns.sums[window, place, row] == expected


@given(logs)
def test_what_the_catalogue_says_of_an_item_stands_against_events(log):
    entries = placed(log)
    columns, counter = ItemColumns(WIDTH), in_order(entries)
    by_catalogue, by_events = {}, {}
    for number in counter.open_buckets:
        columns.apply(counter.close(number))
        # What is newest by its place stands, whatever was read last.
        of_bucket = [
            entry for place, entry in sorted(entries, key=itemgetter(0)) if place.unix_micros // WIDTH == number
        ]
        said = {}
        for entry in of_bucket:
            if isinstance(entry, CatalogueChange) and entry.price_micros is not None:
                said[entry.item_id] = entry.price_micros
        for item_id, price in said.items():
            by_catalogue[item_id] = price
            by_events.pop(item_id, None)
        for item in (item for entry in of_bucket if isinstance(entry, Event) for item in entry.items):
            if item.price_micros and item.item_id not in said:
                by_events[item.item_id] = item.price_micros
        for row, item_id in enumerate(columns.ids):
            price = by_catalogue.get(item_id) or by_events.get(item_id, 0)
            assert columns.prices[row] == price / MICROS


@given(logs, st.integers(0, 5))
def test_columns_restored_from_a_checkpoint_go_on_as_those_that_were_saved(log, after):
    whole, counter = ItemColumns(WIDTH), in_order(placed(log))
    part = ItemColumns(WIDTH)
    for entry in (entry for _, entry in placed(log) if isinstance(entry, CatalogueChange)):
        whole.apply_change(entry)
        part.apply_change(entry)
    for place, number in enumerate(counter.open_buckets):
        bucket = counter.close(number)
        if place == after:
            part = restore_checkpoint(checkpoint_chunks(part))
        whole.apply(bucket)
        part.apply(bucket)
        assert part.fingerprint() == whole.fingerprint()
    part = restore_checkpoint(checkpoint_chunks(part))
    assert part.fingerprint() == whole.fingerprint()
    numbers = [item_number(item_id) for item_id in ("a", "b", "c", "d", "long item id", "unheard of")]
    restored, expected = (found.live_values(found.rows_of(numbers), numbers) for found in (part, whole))
    for mine, others in zip(restored, expected, strict=True):
        assert list(mine) == list(others)


@given(logs, st.integers(1, 4))
def test_buckets_survive_being_cut_and_written(log, most):
    counter, whole, in_parts = in_order(placed(log)), ItemColumns(WIDTH), ItemColumns(WIDTH)
    for number in counter.open_buckets:
        bucket = counter.close(number)
        parts = [decode_bucket(encode_bucket(part)) for part in bucket.parts(most)]
        assert all(len(part) <= most for part in parts)
        assert encode_bucket(ItemBucket.joined(parts)) == encode_bucket(bucket)
        whole.apply(bucket)
        in_parts.apply(*parts)
        assert in_parts.fingerprint() == whole.fingerprint()


@given(logs)
@settings(max_examples=30)
def test_a_replay_gives_the_columns_of_the_counters(log):
    entries = placed(log)
    replayed = ItemColumns(WIDTH)
    replay = ItemReplay(replayed)
    for place, entry in entries:
        if isinstance(entry, CatalogueChange):
            replay.add_change(entry, *place)
        else:
            replay.add(entry, *place)
    end = (entries[-1][0].unix_micros if entries else START) + WIDTH
    replay.close_before(end)
    counted, counter = ItemColumns(WIDTH), in_order(entries)
    for number in counter.open_buckets:
        counted.apply(counter.close(number))
    if counted.epoch < replayed.epoch:
        counted.apply(counter.close(replayed.epoch))
    assert replayed.fingerprint() == counted.fingerprint()


def event(*found: Item, kind=EventType.VIEW_ITEM) -> Event:
    return Event("e", kind, "u", START, items=found)


def closed(counter: BucketCounter, number: int) -> ItemBucket:
    return counter.close(START // WIDTH + number)


def test_readers_of_columns_see_nothing_of_buckets_that_are_staged_on_a_fork():
    counter, columns = BucketCounter(WIDTH), ItemColumns(WIDTH)
    counter.add(event(Item("old", "hats", "", MICROS)), Place(START))
    columns.apply(closed(counter, 0))
    before, summary = columns.fingerprint(), columns.summary
    counter.add(event(Item("new", "shoes"), Item("old", "shoes", "", 2 * MICROS)), Place(START + WIDTH))
    bucket = closed(counter, 1)
    twin = restore_checkpoint(checkpoint_chunks(columns))
    fork = columns.fork()
    fork.stage(bucket)
    assert fork.summary.popular.tolist() != summary.popular.tolist()
    assert (columns.fingerprint(), len(columns), columns.summary) == (before, 1, summary)
    assert columns.rows_of([item_number("new")]).tolist() == [UNKNOWN]
    assert columns.live_prices[0] == 1.0
    fork.settle()
    twin.apply(bucket)
    assert fork.fingerprint() == twin.fingerprint()
    assert fork.live_prices[:2].tolist() == [2.0, 0.0]


def test_live_values_are_taken_over_in_small_steps_during_which_readers_and_changes_go_on(monkeypatch):
    names = [f"item-{number}" for number in range(2_000)]
    counter, before = BucketCounter(WIDTH), ItemColumns(WIDTH)
    before.apply_changes([CatalogueChange(name, stock=1, blocked=True, tags=("new",)) for name in names])
    for name in names:
        counter.add(event(Item(name, price_micros=5 * MICROS)), Place(START))
    applied = []
    apply = LiveColumns.apply
    monkeypatch.setattr(LiveColumns, "apply", lambda *args: (applied.append(args[0]), apply(*args)))
    columns = before.fork()
    columns.stage(closed(counter, 0))
    assert applied == []
    numbers = [item_number(name) for name in names]
    expected, most = [1] * len(names), 0
    for step, _ in enumerate(columns.settling()):
        most = max(most, len(applied))
        for place in (step, -1 - step):
            columns.apply_change(CatalogueChange(names[place], stock=step + 2))
            expected[place] = step + 2
        for read in (before, columns):
            found = read.live_values(read.rows_of(numbers), numbers)
            if read is before or read.live.size == len(names):
                assert found.stock.tolist() == expected
                assert found.blocked.all()
                assert found.tags == [("new",)] * len(names)
        applied.clear()
    assert 0 < most <= len(names) / 4, "items at once"
    assert (columns.live_prices[: len(names)] == 5.0).all()
    assert not columns.live.pending


def test_what_a_fork_added_that_was_given_up_is_not_seen():
    columns = ItemColumns(WIDTH)
    for name in ("given up", "kept"):
        counter = BucketCounter(WIDTH)
        counter.add(event(Item(name), Item(name + " too")), Place(START))
        fork = columns.fork()
        fork.stage(closed(counter, 0))
    fork.settle()
    assert sorted(fork.ids) == ["kept", "kept too"]
    assert fork.rows_of([item_number("given up"), item_number("kept")]).tolist() == [UNKNOWN, fork.ids.index("kept")]
    assert columns.rows_of([item_number("kept")]).tolist() == [UNKNOWN]


def test_an_entry_of_a_closed_bucket_is_counted_in_the_next():
    counter, columns = BucketCounter(WIDTH), ItemColumns(WIDTH)
    columns.apply(closed(counter, 0))
    counter.add(event(Item("late")), Place(START + 1))
    assert (counter.late, counter.open_buckets) == (1, [START // WIDTH + 1])
    columns.apply(closed(counter, 1))
    assert columns.sums[0, 0, 0] == 1


def test_buckets_are_closed_and_applied_in_order_only():
    counter, columns = BucketCounter(WIDTH), ItemColumns(WIDTH)
    counter.add(event(Item("a")), Place(START))
    with pytest.raises(ValueError, match="bucket: expected"):
        closed(counter, 1)
    bucket = closed(counter, 0)
    with pytest.raises(ValueError, match="bucket: expected"):
        closed(counter, 0)
    columns.apply(bucket)
    with pytest.raises(ValueError, match=f"expected one after {columns.epoch}"):
        columns.apply(bucket)


def test_live_values_are_those_of_the_newest_change_with_and_without_a_row():
    counter, columns = BucketCounter(WIDTH), ItemColumns(WIDTH)
    counter.add(event(Item("known", price_micros=5 * MICROS)), Place(START))
    columns.apply(closed(counter, 0))
    columns.apply_change(CatalogueChange("known", stock=3, price_micros=4 * MICROS, tags=("sale",)))
    columns.apply_change(CatalogueChange("unknown", blocked=True, price_micros=7 * MICROS))
    columns.apply_change(CatalogueChange("unknown", stock=0))
    numbers = [item_number(item_id) for item_id in ("known", "unknown", "nowhere")]
    live = columns.live_values(np.array([0, 1, UNKNOWN]), numbers)
    assert live.prices.tolist() == [4.0, 7.0, 0.0]
    assert live.stock.tolist() == [3, 0, -1]
    assert live.blocked.tolist() == [False, True, False]
    assert live.tags == [("sale",), (), ()]
    assert columns.prices[0] == 5.0, "features wait for the bucket"
    counter.add(event(Item("unknown")), Place(START + WIDTH))
    counter.add_change(CatalogueChange("known", price_micros=4 * MICROS), Place(START + WIDTH, 0, CATALOGUE))
    columns.apply(closed(counter, 1))
    assert (columns.blocked[1], columns.stock[1], columns.live_prices[1]) == (True, 0, 7.0)
    assert columns.prices[0] == 4.0
    columns.apply_change(CatalogueChange("known", price_micros=0))
    assert columns.live_prices[0] == 4.0, "as far as is known"


def test_broken_buckets_are_found_out():
    counter = BucketCounter(WIDTH)
    counter.add(event(Item("a")), Place(START))
    encoded = encode_bucket(closed(counter, 0))
    with pytest.raises(CorruptStateError, match="expected CRC-32"):
        decode_bucket(encoded[:-1] + b"\xff")
    with pytest.raises(CorruptStateError, match="at least 5 bytes"):
        decode_bucket(b"")
    chunks = list(checkpoint_chunks(ItemColumns(WIDTH)))
    with pytest.raises(CorruptStateError, match="expected 0 chunks"):
        restore_checkpoint([])
    with pytest.raises(NewerStateError, match="version 200"):
        decode_bucket(_with_version(encoded, 200))
    assert restore_checkpoint(chunks).fingerprint() == ItemColumns(WIDTH).fingerprint()


def _with_version(encoded: bytes, version: int) -> bytes:
    rest = bytes((version,)) + encoded[5:]
    return crc32(rest).to_bytes(4, "big") + rest


def test_bucket_width_must_divide_an_hour():
    with pytest.raises(ValueError, match="divisor of an hour"):
        ItemColumns(7 * MICROS)
