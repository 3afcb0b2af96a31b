"""Lists by country: visitors without history get the best sellers of theirs, and others where that is not enough."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from operator import attrgetter

import pytest
from msgspec.structs import replace as replace_spec

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer import VISITOR, Event, EventType, encode_state
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_server.models.ranking import RankingModel
from presage_server.models.served import Models, Served
from presage_server.store.snapshot import REVISION_BYTES
from support.pipelines import LocalPipeline, local_pipeline
from support.rankings import ITEMS, a_shop, an_item, item_id
from support.stores import opened

SOLD = {"DE": range(30), "FR": range(30, 60), "LI": range(60, 65)}
"""The items that countries buy; all others sell better where no country is known."""


@pytest.fixture(scope="module")
def columns() -> ItemColumns:
    columns = ItemColumns()
    replay = ItemReplay(columns)
    now = a_shop().now_unix_micros - 600_000_000

    def sell(number: int, times: int, country: str) -> None:
        event = Event("e", EventType.PURCHASE, "somebody", now, items=(an_item(number),), country=country)
        for _ in range(times):
            replay.add(event, now)

    for country, numbers in SOLD.items():
        for number in numbers:
            sell(number, 1 + number % 3, country)
    for number in range(65, ITEMS):
        sell(number, 5, "")
    replay.close_before(a_shop().now_unix_micros)
    return columns


@pytest.fixture
def server(store, ranking_models, columns):
    with opened(store) as view, local_pipeline(view, ranking_models, items=columns) as local:
        yield local


def listed(server: LocalPipeline, user_id: str = "nobody", country: str = "", k: int = 20) -> pb.RankResponse:
    context = pb.RankContext(country_code=country)
    return server.answer(
        pb.RankRequest(user_id=user_id, k=k, context=context, as_of_unix_micros=a_shop().now_unix_micros)
    )


def ids_of(response: pb.RankResponse) -> list[str]:
    return [item.item_id for item in response.items]


def sources_of(response: pb.RankResponse) -> set[int]:
    return {item.source for item in response.items}


def best_sellers(country: str) -> set[str]:
    return {item_id(number) for number in SOLD[country]}


def test_a_new_visitor_gets_the_best_sellers_of_the_country(server):
    everywhere = listed(server)
    assert sources_of(everywhere) == {pb.ITEM_SOURCE_POPULAR}
    assert not set(ids_of(everywhere)) & (best_sellers("DE") | best_sellers("FR"))
    for country in ("DE", "FR"):
        response = listed(server, country=country)
        assert response.basis.cold_start
        assert sources_of(response) == {pb.ITEM_SOURCE_POPULAR_IN_COUNTRY}
        assert len(response.items) == 20
        assert set(ids_of(response)) <= best_sellers(country)
    assert ids_of(listed(server, country="XX")) == ids_of(everywhere)


def test_where_a_country_sells_little_popular_items_fill_the_list(server):
    response = listed(server, country="LI", k=40)
    by_source = {
        source: {item.item_id for item in items}
        for source, items in groupby(sorted(response.items, key=attrgetter("source")), key=attrgetter("source"))
    }
    assert by_source.keys() == {pb.ITEM_SOURCE_POPULAR, pb.ITEM_SOURCE_POPULAR_IN_COUNTRY}
    assert by_source[pb.ITEM_SOURCE_POPULAR_IN_COUNTRY] == best_sellers("LI")
    assert len(response.items) == 40


def test_the_country_of_the_call_stands_before_that_of_the_visitors_last_event(server, store):
    event = Event("e", EventType.PAGE_VIEW, "known", a_shop().now_unix_micros - 1_000_000, country="FR")
    store.set_blob("known", bytes(REVISION_BYTES) + encode_state(VISITOR.fold(None, event)))
    remembered = listed(server, "known")
    assert not remembered.basis.cold_start
    assert set(ids_of(remembered)) <= best_sellers("FR")
    assert set(ids_of(listed(server, "known", "DE"))) <= best_sellers("DE")


def test_lists_of_visitors_with_items_do_not_depend_on_the_country(shop_store, ranking_models, columns):
    with opened(shop_store) as view, local_pipeline(view, ranking_models, items=columns) as server:
        lists = [ids_of(listed(server, "visitor-1", country)) for country in ("", "DE", "FR", "XX")]
    assert lists == [lists[0]] * 4


def test_a_model_that_was_trained_before_there_was_the_source_finds_them_too(store, ranking_models, columns):
    trained = ranking_models.ranking("").bundle
    limits = {name: limit for name, limit in trained.spec.limits.items() if name != "popular_in_country"}
    older = RankingModel("ranking", "1", replace(trained, spec=replace_spec(trained.spec, limits=limits)))
    models = Models({}, "", ranking={"ranking": Served(champion=older)}, default_ranking="ranking")
    with opened(store) as view, local_pipeline(view, models, items=columns) as server:
        assert sources_of(listed(server)) == {pb.ITEM_SOURCE_POPULAR}
        assert set(ids_of(listed(server, country="DE"))) <= best_sellers("DE")


def test_given_candidates_do_not_depend_on_the_country(server):
    given = [item_id(number) for number in range(0, ITEMS, 5)]
    lists = []
    for country in ("", "DE", "FR"):
        request = pb.RankRequest(
            user_id="nobody",
            candidate_ids=given,
            context=pb.RankContext(country_code=country),
            as_of_unix_micros=a_shop().now_unix_micros,
        )
        lists.append([(item.item_id, item.score) for item in server.answer(request).items])
    assert lists == [lists[0]] * 3
