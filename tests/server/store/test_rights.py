"""The rights that the documentation says a user of the store needs are enough, on a cluster too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from presage.v1 import ranking_service_pb2 as ranking_pb
from presage.v1 import scoring_service_pb2 as pb
from presage.v1.ranking_service_pb2_grpc import RankingServiceStub
from support.archives import archive_once, assert_equal_to_streams
from support.backfills import backfill
from support.items import a_follower, loaded, run_once
from support.running_server import serving, track
from support.worker_processes import until

pytestmark = pytest.mark.xdist_group("cluster")

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "storage.md"


def rights() -> tuple[list[str], list[str]]:
    """Return what a server needs, and what whoever reads the streams needs, as the page has it."""
    text = PAGE.read_text().partition("## Rights")[2].partition("## ")[0]
    blocks = [found.split() for found in re.findall(r"`([^`]*[+~][^`]*)`", text)]
    server, keys, cluster, plain, readers, _ = blocks
    return [*server, *keys, *cluster, *plain], [*server, *keys, *cluster, *plain, *readers]


def as_user(store, words, servers) -> str:
    """Give a user nothing but some rights on all servers; return the store's URL for that user."""
    for client in servers:
        client.execute_command("ACL", "SETUSER", "presage", "reset", "on", ">secret", "-@all", *words)
    scheme, _, rest = store.url.partition("://")
    if scheme == "unix":
        return f"{store.url}?username=presage&password=secret"
    return f"{scheme}://presage:secret@{rest}"


def refused(servers) -> list[str]:
    """Return what servers refused to users, but for what redis-py does without."""
    found = []
    for client in servers:
        found += [str(entry["object"]) for entry in client.acl_log() if entry["reason"] in {"command", "key"}]
        client.execute_command("ACL", "LOG", "RESET")
    return [each for each in found if each != "client|setinfo"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["store", "cluster"])
async def test_the_rights_of_the_page_are_enough(kind, models, tmp_path, request):
    store = request.getfixturevalue(kind)
    servers = [store.redis] if kind == "store" else [server.redis for server in store.cluster.servers]
    of_server, of_readers = rights()
    refused(servers)
    try:
        async with serving(
            redis_url=as_user(store, of_server, servers), models=models, item_bucket_seconds=1
        ) as served:
            items = RankingServiceStub(served.channel)
            await items.UpsertItems(
                ranking_pb.UpsertItemsRequest(items=[ranking_pb.CatalogueItem(item_id="a", stock=3)])
            )
            for number in range(10):
                await served.stub.TrackEvent(track(f"visitor-{number}"))
            found = await served.stub.Score(pb.ScoreRequest(user_id="visitor-1"))
            assert not found.prediction.degraded
        assert refused(servers) == []

        reading = type("Reading", (), {"url": as_user(store, of_readers, servers), "redis": store.redis})()
        assert archive_once(reading, tmp_path) == []
        assert_equal_to_streams(tmp_path, store.redis)
        with a_follower(reading, width_micros=1_000_000) as follower:

            async def has_counted() -> bool:
                run_once(follower)
                follower.save()
                return len(loaded(store)) == 1

            await until(has_counted)  # once the bucket is closed
        assert backfill(reading, tmp_path, rebuild=True).is_complete
        assert refused(servers) == []
    finally:
        for client in servers:
            client.execute_command("ACL", "DELUSER", "presage")
