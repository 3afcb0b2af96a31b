"""Simulated visitors who are shown the lists of a real server: events, impressions and rankings come back from the archive."""

from __future__ import annotations

import time

from redis import Redis

from presage_featurizer import EventType
from presage_featurizer.event_log import PARTITIONS, decode_exposure, stream_key
from presage_featurizer.ranking.assembling import digest_number
from presage_training.readers.formats.archive import read_archive_events, read_archived_exposures
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.simulator import ItemList, ListRequest, Shop, simulate, simulate_lists
from presage_training.traffic.live_lists import LiveLists
from presage_training.traffic.ranking_tour import load_catalogue
from support.archives import archive_once
from support.rankings import write_ranking_bundle
from support.running_server import GENEROUS_SECONDS, server_process

SEED, VISITORS, DAYS, K = 5, 12, 5, 6
START_UNIX_MICROS = 1_735_689_600_000_000
SHOP = Shop.create(seed=SEED)


class Kept:
    """Keeps the lists of another source."""

    def __init__(self, source: LiveLists) -> None:
        self.source = source
        self.lists: dict[str, tuple[ListRequest, ItemList]] = {}

    def add(self, event) -> None:
        self.source.add(event)

    def rank(self, request: ListRequest) -> ItemList:
        found = self.source.rank(request)
        self.lists[found.rank_id] = request, found
        return found


def count_items(lists: LiveLists) -> None:
    """Have other visitors look at products, and wait until what is popular is known."""
    for event in simulate(seed=SEED + 1, visitors=20, start_unix_micros=START_UNIX_MICROS, days=2, shop=SHOP):
        lists.add(event)
    request = ListRequest(user_id="nobody", session_id="", unix_micros=0, k=K, budget_micros=10**9)
    deadline = time.monotonic() + GENEROUS_SECONDS
    while len(lists.rank(request).items) < K:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_was_ranked_shown_and_picked_is_in_the_archive(store, tmp_path):
    write_ranking_bundle(tmp_path / "models")
    flags = ("--redis-url", store.url, "--models", str(tmp_path / "models"), "--item-bucket-seconds", "1")
    flags += ("--follow-items", "--exposures-share", "1")
    with server_process(tmp_path / "log", *flags) as server, LiveLists(server.address) as live:
        load_catalogue(server.address, SHOP, first_seen_unix_micros=START_UNIX_MICROS)
        count_items(live)
        kept = Kept(live)
        simulation = simulate_lists(
            kept, shop=SHOP, seed=SEED, visitors=VISITORS, start_unix_micros=START_UNIX_MICROS, days=DAYS, k=K
        )
        with Redis.from_url(store.url) as redis:
            deadline = time.monotonic() + GENEROUS_SECONDS
            while not set(kept.lists) <= logged_rankings(redis):
                assert time.monotonic() < deadline
                time.sleep(0.05)
    archive_once(store, tmp_path / "archive")

    skipped = SkippedRows()
    archived = {event.event_id: event for event in read_archive_events(tmp_path / "archive", skipped=skipped)}
    assert skipped.counts == {}
    assert [archived[event.event_id] for event in simulation.events] == simulation.events
    shown = {event.items[0].shown.rank_id for event in simulation.events if event.type is EventType.VIEW_ITEM_LIST}
    assert shown == {each.rank_id for each in simulation.lists} == set(kept.lists)
    exposures = {exposure.rank_id: exposure for exposure in read_archived_exposures(tmp_path / "archive")}
    for rank_id, (request, found) in kept.lists.items():
        exposure = exposures[rank_id]
        assert (exposure.user_id, exposure.session_id) == (request.user_id, request.session_id)
        assert (exposure.as_of_unix_micros, exposure.k) == (request.unix_micros, K)
        assert exposure.budget_micros == request.budget_micros
        assert exposure.digests[exposure.order].tolist() == [digest_number(item.item_id) for item in found.items]
        assert exposure.anchor == (digest_number(request.anchor_item_id) if request.anchor_item_id else None)


def logged_rankings(redis: Redis) -> set[str]:
    """Read which rankings the streams have."""
    return {
        decode_exposure(fields[b"exposure"]).rank_id
        for partition in range(PARTITIONS)
        for _, fields in redis.xrange(stream_key(partition))
        if b"exposure" in fields
    }
