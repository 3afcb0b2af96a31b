"""Rankings while items change: each rests on one epoch, whatever comes meanwhile, and can be computed again from it."""

from __future__ import annotations

import random

import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.event_log import decode_exposure
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import BucketCounter, CatalogueChange, Place
from presage_featurizer.ranking.placements import Placements
from presage_featurizer.ranking.workspace import Workspace
from presage_training.ranking.recomputing import recompute
from support.pipelines import LocalCall, LocalPipeline, local_pipeline
from support.rankings import ITEMS, VISITORS, a_shop, columns_at, item_id
from support.stores import opened, run_until

_EVENTS_BETWEEN = 40


@pytest.fixture
def server(shop_store, ranking_models):
    with (
        opened(shop_store) as view,
        local_pipeline(view, ranking_models, exposures_share=1.0, share=1.0) as local,
    ):
        yield local


def rank_some(server: LocalPipeline, rng: random.Random) -> list[LocalCall]:
    now = a_shop().now_unix_micros
    requests = []
    for _ in range(6):
        request = pb.RankRequest(user_id=f"visitor-{rng.randrange(VISITORS)}", as_of_unix_micros=now)
        if rng.random() < 0.5:
            request.candidate_ids.extend(item_id(number) for number in rng.sample(range(ITEMS), 50))
        requests.append(LocalCall(request))
    server.run(*requests)
    return requests


def test_rankings_of_every_epoch_can_be_computed_again(server, shop_store, ranking_models):
    """As live items do it: buckets are staged on forks, which take the columns' place."""
    shop, rng = a_shop(), random.Random(5)
    columns = server.items.columns
    counter = BucketCounter(columns.bucket_micros, columns.epoch)
    calls = rank_some(server, rng)
    for start in range(0, len(shop.events), _EVENTS_BETWEEN):
        part = shop.events[start : start + _EVENTS_BETWEEN]
        for number, event in enumerate(part):
            counter.add(event, Place(event.event_time_unix_micros, number, 0))
        last = part[-1].event_time_unix_micros // columns.bucket_micros - 1
        fork = server.items.columns.fork()
        for bucket in counter.open_buckets:
            if bucket <= last:
                fork.stage(counter.close(bucket))
        # One ranking is in progress while the columns are replaced.
        late = LocalCall(pb.RankRequest(user_id="visitor-1", candidate_ids=[f"x-{n}" for n in range(900)]))
        server.turn(late)
        fork.settle()
        server.items.columns = fork
        server.finish(late)
        calls += [late, *rank_some(server, rng)]
    run_until(server.link, lambda: not server.link.pending)
    user_ids = {f"visitor-{number}" for number in range(VISITORS)}
    entries = [entry for user_id in sorted(user_ids) for entry in shop_store.stream(user_id)]
    exposures = [decode_exposure(entry[b"exposure"]) for entry in entries]
    assert len(exposures) == len(calls)
    epochs = {exposure.epoch for exposure in exposures}
    assert len(epochs) > 8
    model = ranking_models.ranking("")
    for epoch in epochs:
        items = ItemFeatures(columns_at(epoch) if epoch >= 0 else ItemColumns())
        for exposure in exposures:
            if exposure.epoch == epoch:
                again = recompute(
                    exposure,
                    shop.state_of(exposure.user_id),
                    items,
                    shop.tables.bound(items.items),
                    score=model.scores,
                    placement=Placements.default()[""],
                    workspace=Workspace(),
                )
                assert again.differences(exposure) == []


def test_stock_prices_and_blocked_items_hold_at_once(shop_store, ranking_models):
    columns = columns_at(a_shop().columns.epoch)
    ids = [columns.ids[row] for row in range(20)] + ["new-1", "new-2"]
    with opened(shop_store) as view, local_pipeline(view, ranking_models, items=columns) as server:
        request = pb.RankRequest(user_id="visitor-1", candidate_ids=ids, k=22)

        def listed() -> dict[str, pb.RankedItem]:
            return {item.item_id: item for item in server.answer(request).items}

        before = listed()
        assert set(before) == set(ids)
        for change in (
            CatalogueChange(ids[0], stock=0),
            CatalogueChange(ids[1], blocked=True),
            CatalogueChange(ids[2], price_micros=7_250_000),
            CatalogueChange("new-1", blocked=True),
            CatalogueChange("new-2", price_micros=3_000_000),
        ):
            columns.apply_change(change)
        after = listed()
        assert set(before) - set(after) == {ids[0], ids[1], "new-1"}
        assert (after[ids[2]].price, after["new-2"].price) == (7.25, 3.0)
        assert after[ids[2]].score == before[ids[2]].score, "features use the price as of the epoch"
        cheap = pb.RankContext(filter=pb.ItemFilter(max_price=8))
        request.context.CopyFrom(cheap)
        assert set(listed()) == {item for item, one in after.items() if 0 < one.price <= 8}
        columns.apply_change(CatalogueChange(ids[0], stock=3))
        request.ClearField("context")
        assert ids[0] in listed()
