"""Counts of items by country: those of a recount, for the countries that have a place, and what is popular in each."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, CorruptStateError, Event, EventType, Item, NewerStateError
from presage_featurizer.ranking import items_checkpoint, items_countries
from presage_featurizer.ranking.bucket_countries import COUNTRY_TYPES, CountryCounts
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_bucket import decode_bucket, encode_bucket, frame
from presage_featurizer.ranking.items_checkpoint import checkpoint_chunks, restore_checkpoint
from presage_featurizer.ranking.items_counter import BucketCounter, Place, item_number
from presage_featurizer.ranking.items_replay import ItemReplay

WIDTH = 60 * MICROS
HOUR = 3_600 * MICROS
START = 1_700_000_000_000_000 // HOUR * HOUR
BUCKET_1 = (
    "RJjHHwGZzgGwVQiSoWGhYsQQQPieOVtmQi+EcsLjTYVPdcQoAQAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAAAAAMQQADhv6CMKBgAAOG"
    "/oIwoGAMQQQEtMAAAAAAAAAAAAAAAAAJKSoKRoYXRzxAgBAAAAAAAAAJKSoKRhY21lxAgBAAAAAAAAAMQCAAA="
)
CHECKPOINT_1 = (
    (
        "yCpZCgGIpHR5cGWmaGVhZGVyrWJ1Y2tldF9taWNyb3POA5OHAKVlcG9jaM4BsFUIpHJvd3MCq2ZpcnN0X2hvdXJzk84ABzSGzgAHM/bOAAcxzqtuZXdlc3"
        "RfaG91cs4ABzSepWNvZGVzgqhjYXRlZ29yeZKgpGhhdHOlYnJhbmSSoKRhY21lpmNodW5rcwI="
    ),
    (
        "O4NkQAGHpHR5cGWkcm93c6VzdGFydACjaWRzkqFhoWKnY29sdW1uc4anZGlnZXN0c8QQQPieOVtmQi+EcsLjTYVPdaZwcmljZXPEEAAAAAAAABRAAAAAAA"
        "AAAACqY2F0ZWdvcmllc8QQAQAAAAAAAAAAAAAAAAAAAKZicmFuZHPEEAEAAAAAAAAAAAAAAAAAAAC2Zmlyc3Rfc2Vlbl91bml4X21pY3Jvc8QQADhv6CMK"
        "BgAAOG/oIwoGAKRzYWlkxAIAAKRzdW1zxKABAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAEAAAAAAAAAAAAAAAAAAAABAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAA"
        "AAAAAAAAAAAApGxpdmWEpnByaWNlc8QQAAAAAAAAFEAAAAAAAAAAAKlpc19wcmljZWTEAgAApXN0b2NrxBADAAAAAAAAAP//////////p2Jsb2NrZWTEAg"
        "AApHRhZ3OBAJGjbmV3"
    ),
    "LWGo5AGEpHR5cGWkaG91cqRob3VyzgAHNJ6ka2V5c8QYAAAAAAAAAAAFAAAAAAAAAAcAAAAAAAAAp2Ftb3VudHPEDAEAAAABAAAAAQAAAA==",
)
"""A bucket, and the checkpoint after it, as they were written before countries were counted."""

kinds = st.sampled_from([*COUNTRY_TYPES, EventType.SELECT_ITEM])
ids = st.sampled_from(["a", "b", "c", "d"])
countries = st.sampled_from(["", "DE", "FR", "US", "ZA"])
steps = st.sampled_from([0, 30 * MICROS, 20 * 60 * MICROS, 5 * HOUR, 3 * 24 * HOUR, 9 * 24 * HOUR])
logs = st.lists(st.tuples(steps, countries, kinds, st.lists(ids, max_size=3)), max_size=40)


def events(log) -> list[Event]:
    found, now = [], START
    for step, country, kind, items in log:
        now += step
        found.append(Event("e", kind, "u", now, items=tuple(map(Item, items)), country=country))
    return found


def buckets_of(log) -> BucketCounter:
    counter = BucketCounter(WIDTH)
    for number, event in enumerate(events(log)):
        counter.add(event, Place(event.event_time_unix_micros, number))
    return counter


def sums_of(columns: ItemColumns) -> dict[str, dict[tuple[str, int], int]]:
    return {
        country: {
            (columns.ids[key // len(COUNTRY_TYPES)], key % len(COUNTRY_TYPES)): amount
            for key, amount in zip(sums.keys.tolist(), sums.amounts.tolist(), strict=True)
        }
        for country, sums in columns.countries.sums.items()
    }


def recount(log, since: dict[str, int], until: int, epoch: int) -> dict[str, dict[tuple[str, int], int]]:
    """Count the events of countries by brute force.

    Args:
        log: All events.
        since: The first bucket that is counted of each country.
        until: The last one.
        epoch: The bucket at which 7 days are looked back.
    """
    found: dict[str, Counter[tuple[str, int]]] = {}
    for event in events(log):
        bucket, hour = event.event_time_unix_micros // WIDTH, event.event_time_unix_micros // HOUR
        is_counted = event.country in since and since[event.country] <= bucket <= until
        if is_counted and event.type in COUNTRY_TYPES and hour >= epoch * WIDTH // HOUR - 7 * 24:
            for item in event.items:
                found.setdefault(event.country, Counter())[item.item_id, COUNTRY_TYPES.index(event.type)] += 1
    return {country: dict(counts) for country, counts in found.items()}


@given(logs)
@settings(deadline=None)
def test_sums_by_country_are_those_of_a_recount(log):
    counter, columns = buckets_of(log), ItemColumns(WIDTH)
    for number in counter.open_buckets:
        columns.apply(counter.close(number))
        assert sums_of(columns) == recount(log, dict.fromkeys(("DE", "FR", "US", "ZA"), 0), number, number)


@given(logs, st.integers(1, 3), st.data())
@settings(deadline=None)
def test_countries_beyond_the_most_get_a_place_when_one_is_free(log, most, data):
    counter, columns = buckets_of(log), ItemColumns(WIDTH)
    since: dict[str, int] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(items_countries, "MAX_COUNTRIES", most)
        for number in counter.open_buckets:
            if number - 1 > columns.epoch and data.draw(
                st.booleans()
            ):  # an epoch in which nothing happened is no matter
                columns.apply(BucketCounter(WIDTH).close(number - 1))
            bucket = counter.close(number)
            columns.apply(*bucket.parts(2))
            left = recount(log, since, number - 1, number)
            since = {country: since[country] for country in left}
            events_of = {country: int(part.counts.sum()) for country, part in bucket.countries.items()}
            new = sorted(set(events_of) - set(since), key=lambda country: (-events_of[country], country))
            since |= dict.fromkeys(new[: most - len(since)], number)
            assert sums_of(columns) == recount(log, since, number, number)
            assert len(columns.countries.sums) <= most


@given(logs)
@settings(deadline=None, max_examples=50)
def test_what_is_popular_in_a_country_by_a_slow_way_also_on_forks(log):
    counter, columns = buckets_of(log), ItemColumns(WIDTH)
    features = ItemFeatures(columns)
    for number in counter.open_buckets:
        fork = columns.fork()
        fork.stage(counter.close(number))
        before = {country: features.by_country.of(country).tolist() for country in columns.countries.sums}
        ahead = features.fork(fork)
        if number % 2:
            ahead.prepare()
        fork.settle()
        assert {country: features.by_country.of(country).tolist() for country in before} == before
        columns, features = fork, ahead
        for country, sums in sums_of(columns).items():
            popularity: Counter[str] = Counter()
            for (item_id, kind), amount in sums.items():
                popularity[item_id] += (2, 6, 10)[kind] * amount
            everywhere = dict(zip(columns.ids, features.popularity.tolist(), strict=False))
            order = sorted(
                popularity, key=lambda item_id: (-popularity[item_id], -everywhere[item_id], item_number(item_id))
            )
            assert [columns.ids[row] for row in features.by_country.of(country)] == order
        assert len(features.by_country.of("nowhere")) == 0


def test_what_is_popular_in_the_only_country_is_popular():
    random = np.random.default_rng(4)
    columns = ItemColumns(WIDTH)
    replay = ItemReplay(columns)
    for number in range(600):
        time = START + number * 30 * 60 * MICROS
        kind = COUNTRY_TYPES[int(random.integers(3))]
        replay.add(
            Event("e", kind, "u", time, items=(Item(f"item-{random.integers(90)}"),), country="DE"), time, number
        )
    features = ItemFeatures(columns)
    popular = features.by_country.of("DE")
    assert 50 < len(popular) <= 90
    assert popular.tolist() == features.popular[: len(popular)].tolist()


def test_large_counts_are_cut_into_chunks_and_restored(monkeypatch):
    monkeypatch.setattr(items_checkpoint, "_COUNTS_PER_CHUNK", 3)
    columns, counter = ItemColumns(WIDTH), BucketCounter(WIDTH)
    for number in range(40):
        event = Event(
            "e", COUNTRY_TYPES[number % 3], "u", START, items=(Item(f"item-{number % 9}"),), country="DFU"[number % 3]
        )
        counter.add(event, Place(START + number // 8 * HOUR, number))
    for number in counter.open_buckets:
        columns.apply(counter.close(number))
    chunks = list(checkpoint_chunks(columns))
    restored = restore_checkpoint(chunks)
    assert restored.fingerprint() == columns.fingerprint()
    assert sums_of(restored) == sums_of(columns)
    with pytest.raises(CorruptStateError, match="chunks after the header"):
        restore_checkpoint(chunks[:-1])


def test_what_was_written_before_countries_were_counted_is_read_and_goes_on():
    bucket = decode_bucket(b64decode(BUCKET_1))
    assert (set(bucket.ids), dict(bucket.countries)) == ({"a", "b"}, {})
    columns = restore_checkpoint(map(b64decode, CHECKPOINT_1))
    counted = ItemColumns(WIDTH)
    counted.apply(bucket)
    assert columns.fingerprint() == counted.fingerprint()
    counter = BucketCounter(WIDTH, columns.epoch)
    counter.add(Event("e", EventType.PURCHASE, "u", START, items=(Item("b"),), country="DE"), Place(START + WIDTH))
    columns.apply(counter.close(columns.epoch + 1))
    assert sums_of(columns) == {"DE": {("b", 2): 1}}
    assert columns.sums[0, 2, columns.ids.index("b")] == 2
    with pytest.raises(NewerStateError, match=r"this release reads \[1, 2\]"):
        decode_bucket(frame(3, ()))


def test_counts_of_a_country_that_are_not_those_of_the_bucket_are_found_out():
    counter = BucketCounter(WIDTH)
    counter.add(Event("e", EventType.PURCHASE, "u", START, items=(Item("b"),), country="DE"), Place(START))
    bucket = counter.close(START // WIDTH)
    (part,) = bucket.countries.values()
    for broken in (CountryCounts(part.places + np.uint32(1), part.counts), CountryCounts(part.places, part.counts[:0])):
        with pytest.raises(CorruptStateError, match="counts of 'DE' for some of 1 items"):
            decode_bucket(encode_bucket(replace(bucket, countries={"DE": broken})))
