"""The ranking model that ships: this release serves it, and visitors that it has never seen regret its lists less."""

from __future__ import annotations

import pytest

from presage_export.bundle.ranking import load_ranking_bundle
from presage_featurizer.ranking.definition import check_ranking_features
from presage_server.settings import shipped_models
from presage_training.ranking.model_lists import ModelLists
from presage_training.ranking.regret import measure_lists
from presage_training.simulator import PopularLists, RandomLists, Shop, simulate_lists
from support.proofs import START_UNIX_MICROS

BUNDLE = shipped_models() / "ranking" / "1"
TRAINED_ON = 7
"""The seed of the shop that it knows."""
SEED, VISITORS, DAYS = 99, 150, 10
"""Not the visitors that it was trained on."""


@pytest.fixture(scope="module")
def bundle():
    return load_ranking_bundle(BUNDLE)


def test_this_release_computes_its_features(bundle):
    check_ranking_features(bundle.manifest.feature_set)


def test_it_knows_every_product_of_the_simulated_shop(bundle):
    assert bundle.spec.items == len(Shop.create(seed=TRAINED_ON).by_id)


def test_new_visitors_regret_its_lists_less_than_popular_ones_and_those_less_than_chance(bundle):
    shop = Shop.create(seed=TRAINED_ON)
    sources = {
        "model": ModelLists(bundle, shop),
        "popular": PopularLists(shop),
        "random": RandomLists(shop, seed=SEED),
    }
    lists = {
        name: simulate_lists(
            source, shop=shop, seed=SEED, visitors=VISITORS, start_unix_micros=START_UNIX_MICROS, days=DAYS
        ).lists
        for name, source in sources.items()
    }
    measured = measure_lists(lists, seed=1, draws=200)

    assert measured["popular"].difference(measured["model"], "regret").low > 0.0
    assert measured["random"].difference(measured["popular"], "regret").value > 0.0
