"""The running server: rankings over each transport, and a store that fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from presage.v1 import event_pb2, ranking_service_pb2_grpc
from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.event_log import decode_exposure
from presage_server.errors import SettingsError
from support.running_server import GENEROUS_SECONDS, serving, track

pytestmark = pytest.mark.usefixtures("each_transport")  # both behave the same here

IDS = [f"item-{number}" for number in range(40)]


def stub_of(served) -> ranking_service_pb2_grpc.RankingServiceStub:
    return ranking_service_pb2_grpc.RankingServiceStub(served.channel)


async def code_of(call) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code().name


async def test_lists_follow_from_what_a_visitor_did(store, ranking_folder):
    async with serving(redis_url=store.url, models=ranking_folder, exposures_share=1.0) as served:
        stub = stub_of(served)
        before = await stub.Rank(pb.RankRequest(user_id="u", candidate_ids=IDS, k=40))
        assert before.basis.cold_start
        view = event_pb2.Item(item_id="item-7", category="category-7", price=12)
        kind = event_pb2.EVENT_TYPE_VIEW_ITEM
        await served.stub.TrackEvent(track("u", "1", type=kind, items=[view]))
        after = await stub.Rank(pb.RankRequest(user_id="u", candidate_ids=IDS, k=40, include_features=True))
        assert not after.basis.cold_start
        assert not after.basis.no_session
        assert after.rank_id != before.rank_id
        (viewed,) = [item for item in after.items if item.item_id == "item-7"]
        assert viewed.features.values[list(viewed.features.names).index("session_rank")] == 0
        assert "viewed_in_session" in viewed.reasons
        following = await stub.NextItems(pb.NextItemsRequest(user_id="u"))
        assert "item-7" not in {item.item_id for item in following.items}
        assert (await stub.SimilarItems(pb.SimilarItemsRequest(item_id="nobody-knows"))).cold
    logged = [decode_exposure(entry[b"exposure"]) for entry in store.stream("u") if b"exposure" in entry]
    assert [exposure.rank_id for exposure in logged][:2] == [before.rank_id, after.rank_id]


async def test_many_rankings_at_once_are_all_answered(store, ranking_folder):
    async with serving(redis_url=store.url, models=ranking_folder, exposures_share=0.0) as served:
        stub = stub_of(served)
        requests = [pb.RankRequest(user_id=f"u{number}", candidate_ids=IDS) for number in range(60)]
        responses = await asyncio.gather(*[stub.Rank(request) for request in requests])
        assert {len(response.items) for response in responses} == {40}
        assert len({response.rank_id for response in responses}) == 60
    assert not store.stream("u1")


async def test_a_store_that_hangs_gives_degraded_lists_in_time(store, ranking_folder):
    async with serving(redis_url=store.url, models=ranking_folder, timeout_ms=1_000, store_timeout_ms=60_000) as served:
        stub = stub_of(served)
        await served.stub.TrackEvent(track("u", "1"))
        with store.frozen():
            response = await stub.Rank(pb.RankRequest(user_id="u", candidate_ids=IDS))
            assert response.basis.degraded
            assert response.basis.cold_start
            assert len(response.items) == 40
        assert not (await stub.Rank(pb.RankRequest(user_id="u", candidate_ids=IDS))).basis.degraded


async def test_a_store_that_is_away_gives_degraded_lists_at_once(store, ranking_folder):
    async with serving(redis_url=store.url, models=ranking_folder, store_timeout_ms=200) as served:
        stub = stub_of(served)
        with store.frozen():
            for _ in range(3):
                response = await stub.Rank(pb.RankRequest(user_id="u", candidate_ids=IDS), timeout=GENEROUS_SECONDS)
                assert response.basis.degraded


async def test_a_damaged_state_degrades_its_own_list_alone(store, ranking_folder):
    async with serving(redis_url=store.url, models=ranking_folder) as served:
        stub = stub_of(served)
        await served.stub.TrackEvent(track("well", "1"))
        store.set_blob("ill", b"01234567 no state")
        ill, well = await asyncio.gather(
            *[stub.Rank(pb.RankRequest(user_id=user_id, candidate_ids=IDS)) for user_id in ("ill", "well")]
        )
        assert (ill.basis.degraded, well.basis.degraded, well.basis.cold_start) == (True, False, False)


async def test_placements_come_from_a_file(store, ranking_folder, tmp_path):
    file = tmp_path / "placements.toml"
    file.write_text("[home]\nmax_per_category = 1\nfill_up = false\n")
    async with serving(redis_url=store.url, models=ranking_folder, placements=str(file)) as served:
        stub = stub_of(served)
        home = pb.RankContext(placement="home")
        assert (await stub.Rank(pb.RankRequest(user_id="u", candidate_ids=IDS, context=home))).items
        cart = pb.RankContext(placement="cart")
        assert await code_of(stub.Rank(pb.RankRequest(user_id="u", context=cart))) == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[home]\nmax_per_categorie = 1\n",
            "placements.toml: home: unknown key 'max_per_categorie'; is 'max_per_category' meant",
        ),
        ("[home\n", "placements.toml: it is not valid TOML"),
        (None, "placements.toml: cannot be read: No such file"),
        (b"\xff\xfe", "placements.toml: expected UTF-8 text"),
    ],
)
def test_a_mistake_in_the_placements_stops_the_start(store, ranking_folder, tmp_path, *, text, expected):
    file: Path = tmp_path / "placements.toml"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    async def start() -> None:
        async with serving(redis_url=store.url, models=ranking_folder, placements=str(file)):
            pass

    with pytest.raises(SettingsError) as failed:
        asyncio.run(start())
    assert str(failed.value).startswith("placements: ")
    assert expected in str(failed.value)
