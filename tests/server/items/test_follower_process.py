"""The process that counts items beside a server: there from the start, once for all servers, and gone with the server."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import grpc
import pytest

from presage.v1 import event_pb2, ranking_service_pb2_grpc, scoring_service_pb2_grpc
from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.items_counter import item_number
from presage_server.items.keys import LEASE
from support.items import loaded
from support.running_server import GENEROUS_SECONDS, gone, server_process, track

FLAGS = ("--follow-items", "--item-bucket-seconds", "1")


def until(condition):
    deadline = time.monotonic() + GENEROUS_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def view(address: str, item_id: str, event_id: str) -> None:
    item = event_pb2.Item(item_id=item_id)
    with grpc.insecure_channel(address) as channel:
        stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
        stub.TrackEvent(track("u", event_id, type=event_pb2.EVENT_TYPE_VIEW_ITEM, items=[item]))


def views(store, item_id: str) -> int:
    columns = loaded(store)
    row = int(columns.rows_of([item_number(item_id)])[0])
    return 0 if row == UNKNOWN else int(columns.sums[-1, 0, row])


def children(pid: int) -> list[int]:
    """Find the processes that count items for a server."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            is_follower = "presage_server.items" in (process / "cmdline").read_text()
        except OSError:
            continue
        if parent == pid and is_follower:
            found.append(int(process.name))
    return found


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_a_server_counts_items_without_a_second_command(store, models, tmp_path, workers):
    flags = ("--redis-url", store.url, "--models", str(models), "--workers", workers, *FLAGS)
    with server_process(tmp_path / "log", *flags) as server:
        view(server.address, "a", "first")
        with grpc.insecure_channel(server.address) as channel:
            stub = ranking_service_pb2_grpc.RankingServiceStub(channel)
            stub.UpsertItems(pb.UpsertItemsRequest(items=[pb.CatalogueItem(item_id="a", stock=3)]))
        until(lambda: views(store, "a") == 1)
        (follower,) = children(server.pid)
        os.kill(follower, signal.SIGKILL)
        view(server.address, "a", "second")
        until(lambda: views(store, "a") == 2)
        assert "is started again" in server.log
        followers = until(lambda: children(server.pid))
        server.signal(signal.SIGTERM)
        assert server.wait()[0] == 0
    assert all(gone(pid) for pid in followers)
    assert store.redis.get(LEASE) is None


def test_a_follower_ends_with_a_server_that_is_killed(store, models, tmp_path):
    with server_process(tmp_path / "log", "--redis-url", store.url, "--models", str(models), *FLAGS) as server:
        followers = until(lambda: children(server.pid))
        server.signal(signal.SIGKILL)
    assert all(gone(pid) for pid in followers)


def test_servers_can_be_told_not_to_count(store, models, tmp_path):
    flags = ("--redis-url", store.url, "--models", str(models), "--no-follow-items")
    with server_process(tmp_path / "log", *flags) as server:
        view(server.address, "a", "first")
        assert children(server.pid) == []
