"""Rules after the ranking model, for a list of 20 of 100 candidates in a catalogue of 5,000 items."""

from __future__ import annotations

import numpy as np
import pytest

from presage_featurizer import MICROS
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import CatalogueChange, item_number
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.placements import (
    Exploration,
    FreshnessBoost,
    Placement,
    Scored,
    arrange,
    candidates_of_rules,
)

pytestmark = pytest.mark.benchmark(group="rules after the model", max_time=0.5)

_ITEMS, _CANDIDATES, _K = 5_000, 100, 20
_NOW = 1_790_000_000 * MICROS
_DAY = 86_400 * MICROS
_RULES = {
    "max_per_category": 3,
    "max_per_brand": 3,
    "freshness_boost": FreshnessBoost(places=5, half_life_days=7),
    "cheaper_alternatives": 2,
}
PLACEMENTS = {
    "default": Placement(),
    "limits": Placement(max_per_category=3, max_per_brand=3),
    "freshness": Placement(freshness_boost=FreshnessBoost(places=5, half_life_days=7)),
    "cheaper": Placement(cheaper_alternatives=2),
    "diversity": Placement(diversity=0.3),
    "epsilon": Placement(exploration=Exploration(slots=(3, 8))),
    "thompson": Placement(exploration=Exploration(slots=(3, 8), method="thompson")),
    "all": Placement(**_RULES, diversity=0.3, exploration=Exploration(slots=(3, 8))),
}


@pytest.fixture(scope="module")
def items():
    random = np.random.default_rng(1)
    columns = ItemColumns()
    replay = ItemReplay(columns)
    for number in range(_ITEMS):
        change = CatalogueChange(
            f"item-{number}",
            price_micros=int(random.integers(1, 100)) * MICROS,
            category=f"category-{random.integers(40)}",
            brand=f"brand-{random.integers(100)}",
            stock=int(random.integers(0, 20)),
            first_seen_unix_micros=_NOW - int(random.integers(60)) * _DAY,
        )
        replay.add_change(change, _NOW, sequence=number)
    replay.close_before(_NOW + _DAY)
    assert columns.summary.category_counts.sum() == 0
    return columns


@pytest.fixture(scope="module")
def scored(items):
    random = np.random.default_rng(2)
    places = random.choice(_ITEMS, _CANDIDATES, replace=False)
    numbers = np.array([item_number(f"item-{place}") for place in places], np.uint64)
    rows = items.rows_of(numbers.tolist())
    assert rows.min() >= 0
    return Scored(rows, numbers, random.normal(size=_CANDIDATES), np.zeros(_CANDIDATES, np.uint8))


@pytest.mark.parametrize("name", PLACEMENTS)
def test_arrange(benchmark, items, scored, name):
    arranged = benchmark(
        arrange, scored, PLACEMENTS[name], items, k=_K, budget_micros=50 * MICROS, cart_micros=0, seed=7
    )
    assert len(set(arranged.places.tolist())) == _K


@pytest.mark.parametrize("name", ["default", "all"])
def test_candidates_of_rules(benchmark, items, scored, name):
    call = {"k": _K, "budget_micros": 50 * MICROS, "cart_micros": 0}
    found = benchmark(candidates_of_rules, scored.rows, PLACEMENTS[name], items, **call)
    assert bool(len(found.cheaper)) == (name == "all")
