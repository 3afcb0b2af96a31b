"""Rankings while the catalogue changes: archived, they are computed again from the archive alone, when the store is gone."""

from __future__ import annotations

import random
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path

import grpc
import pytest
from redis import Redis

from presage.v1 import event_pb2, ranking_service_pb2_grpc, scoring_service_pb2, scoring_service_pb2_grpc
from presage.v1 import ranking_service_pb2 as pb
from presage_export.bundle.ranking import load_ranking_bundle
from presage_featurizer import MICROS
from presage_featurizer.event_log import PARTITIONS, Exposure, stream_key
from presage_featurizer.ranking.placements import Placements
from presage_training.auditing.result import AuditResult
from presage_training.ranking.archived_rankings import audit_rankings
from presage_training.readers.formats.archived_catalogue import archived_catalogue
from presage_training.readers.skipped_rows import SkippedRows
from support.archives import archive_once
from support.items import a_follower
from support.rankings import ITEMS, an_item, item_id, write_ranking_bundle
from support.running_server import GENEROUS_SECONDS, server_process

ROUNDS, VISITORS = 40, 7
PLACEMENTS = """
[everywhere]
max_per_category = 4

[home]
diversity = 0.3
exploration = { slots = [2, 5], epsilon = 0.5 }
"""


def change_the_catalogue(rng: random.Random, stub: ranking_service_pb2_grpc.RankingServiceStub) -> None:
    request = pb.UpsertItemsRequest()
    for number in rng.sample(range(ITEMS), 40):
        item = request.items.add(item_id=item_id(number), price=rng.choice([0.0, 4.99, 75.0, 320.0]))
        item.stock = rng.choice([0, 1, 1_000])
        item.blocked = rng.random() < 0.2
        item.category = rng.choice(["", "of the catalogue", an_item(rng.randrange(ITEMS)).category])
        item.tags.extend(rng.sample(["new", "sale", "green"], 2))
    assert not any(result.message for result in stub.UpsertItems(request, timeout=GENEROUS_SECONDS).results)


def track(rng: random.Random, stub: scoring_service_pb2_grpc.ScoringServiceStub, user_id: str, event_id: str) -> None:
    item = an_item(rng.randrange(ITEMS))
    event = event_pb2.Event(event_id=event_id, type=rng.choice([2, 2, 6, 13]), user_id=user_id)
    event.items.add(item_id=item.item_id, category=item.category, brand=item.brand, price=item.price_micros / MICROS)
    stub.TrackEvent(scoring_service_pb2.TrackEventRequest(event=event), timeout=GENEROUS_SECONDS)


def logged_exposures(redis: Redis) -> int:
    pipeline = redis.pipeline(transaction=False)
    for partition in range(PARTITIONS):
        pipeline.xrange(stream_key(partition))
    return sum(b"exposure" in fields for entries in pipeline.execute() for _, fields in entries)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_rankings_come_back_from_the_archive_alone_though_the_catalogue_changed(store, tmp_path):
    models, archive, placements = tmp_path / "models", tmp_path / "archive", tmp_path / "placements.toml"
    write_ranking_bundle(models)
    placements.write_text(PLACEMENTS)
    flags = ("--redis-url", store.url, "--models", str(models), "--placements", str(placements))
    flags += ("--exposures-share", "1", "--sample-vectors-share", "1", "--item-bucket-seconds", "1")
    flags += ("--no-follow-items",)
    rng, ranked = random.Random(3), 0
    with (
        server_process(tmp_path / "log", *flags) as server,
        grpc.insecure_channel(server.address) as channel,
        Redis.from_url(store.url) as redis,
        a_follower(store) as follower,
    ):
        follower.prepare()
        scoring = scoring_service_pb2_grpc.ScoringServiceStub(channel)
        ranking = ranking_service_pb2_grpc.RankingServiceStub(channel)
        for number in range(ROUNDS):
            if number % 3 == 0:
                change_the_catalogue(rng, ranking)
            if number == ROUNDS // 2:
                archive_once(store, archive)
            for visitor in range(VISITORS):
                track(rng, scoring, f"visitor-{visitor}", f"{number}-{visitor}")
                ids = [item_id(number) for number in rng.sample(range(ITEMS), 30)] + ["cold"]
                request = pb.RankRequest(user_id=f"visitor-{visitor}", candidate_ids=ids if rng.random() < 0.5 else [])
                request.context.placement = rng.choice(["", "home"])
                ranking.Rank(request, timeout=GENEROUS_SECONDS)
                ranked += 1
            follower.step()
            time.sleep(0.1)  # for buckets to be closed
        deadline = time.monotonic() + GENEROUS_SECONDS
        while logged_exposures(redis) < ranked and time.monotonic() < deadline:
            time.sleep(0.1)
    assert archive_once(store, archive) == []
    store.redis.flushall()

    def audited() -> AuditResult[Exposure]:
        (folder,) = models.glob("*/*")
        bundle = load_ranking_bundle(folder)
        skipped = SkippedRows()
        bundles = {(folder.parent.name, folder.name): bundle}
        result = audit_rankings(archive, bundles, Placements.parse(PLACEMENTS, "placements.toml"), skipped=skipped)
        assert skipped.counts == {}
        return result

    found = archived_catalogue(archive)
    assert found is not None
    assert (found.archived, found.missed, found.bucket_micros) == (-(-ROUNDS // 3) * 40, 0, MICROS)
    result = audited()
    assert [difference.what for difference in result.differences] == []
    assert (result.same, result.different, result.skipped.total()) == (ranked, 0, 0)
    command = [Path(sysconfig.get_path("scripts"), "presage"), "audit", archive, "--models", models, "--rankings"]
    done = subprocess.run([*command, "--placements", placements], capture_output=True, text=True, check=False)
    assert f"presage audit: {ranked} rankings the same, 0 different, 0 not comparable" in done.stdout
    assert done.returncode == 0
    shutil.rmtree(archive / "catalogue")
    without = audited()
    assert without.different > ranked / 4, "what the catalogue said made a difference"
    assert any(" of candidate " in difference.what for difference in without.differences)
