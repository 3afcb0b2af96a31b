from __future__ import annotations

import pytest

from presage_featurizer import FeaturizerError
from presage_featurizer.errors import PlacementError, UnknownPlacementError
from presage_featurizer.ranking.placements import Exploration, FreshnessBoost, Placement, Placements

FILE = """
[everywhere]
max_per_category = 3
freshness_boost = { places = 5, half_life_days = 7 }

[home]
diversity = 0.3
exploration = { slots = [3, 8], method = "thompson", max_age_days = 14 }

[cart]
max_per_category = 0
freshness_boost = false
cheaper_alternatives = 2
hide_out_of_stock = false
fill_up = false
"""


def test_a_placement_has_its_own_rules_and_those_that_hold_everywhere():
    placements = Placements.parse(FILE, "placements.toml")
    boost = FreshnessBoost(places=5, half_life_days=7)
    assert list(placements) == ["home", "cart"]
    assert placements[""] == Placement(max_per_category=3, freshness_boost=boost)
    assert placements["home"] == Placement(
        max_per_category=3,
        freshness_boost=boost,
        diversity=0.3,
        exploration=Exploration(slots=(3, 8), method="thompson", max_age_days=14),
    )
    assert placements["cart"] == Placement(cheaper_alternatives=2, hide_out_of_stock=False, fill_up=False)


def test_without_a_file_items_without_stock_are_hidden_and_no_placement_is_known():
    assert Placements.default()[""] == Placement()
    assert Placement().hide_out_of_stock
    assert len(Placements.default()) == 0
    with pytest.raises(UnknownPlacementError, match=r"expected no placement, since none is declared, got 'home'"):
        Placements.default()["home"]


def test_an_unknown_placement_names_those_that_are_known():
    placements = Placements.parse(FILE, "placements.toml")
    with pytest.raises(
        UnknownPlacementError, match=r"expected one of 'home', 'cart' or no placement, got 'hom'; is 'home' meant\?"
    ):
        placements["hom"]
    with pytest.raises(UnknownPlacementError, match=r"got 'everywhere'$"):
        placements["everywhere"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[home", "p.toml: it is not valid TOML: "),
        ("max_per_brand = 2", "p.toml: max_per_brand: expected it in a table; write [everywhere] above it"),
        ("spam = 2", "p.toml: unknown key 'spam'; expected only tables such as [everywhere] and [home]"),
        ("['a b']", "p.toml: 'a b': expected a placement's name of 1 to 64 letters"),
        ("[home]\nmax_per_categry = 2", "p.toml: home: unknown key 'max_per_categry'; is 'max_per_category' meant?"),
        ("[home]\nzzz = 2", "p.toml: home: unknown key 'zzz'; expected some of hide_out_of_stock, max_per_category"),
        ("[home]\nmax_per_category = 2.5", "p.toml: home.max_per_category: expected a whole number, got 2.5"),
        ("[home]\nmax_per_category = true", "p.toml: home.max_per_category: expected a whole number, got True"),
        ("[home]\nmax_per_brand = -1", "p.toml: home.max_per_brand: expected at least 0 and at most 1000, got -1"),
        ("[everywhere]\nmax_per_brand = -1", "p.toml: everywhere.max_per_brand: expected at least 0"),
        ("[home]\nfill_up = 1", "p.toml: home.fill_up: expected true or false, got 1"),
        ("[home]\ndiversity = nan", "p.toml: home.diversity: expected at least 0 and at most 1, got nan"),
        ("[home]\ndiversity = '1'", "p.toml: home.diversity: expected a number, got '1'"),
        ("[home]\nfreshness_boost = 3", "p.toml: home.freshness_boost: expected a table such as { places = 5, half"),
        ("[home]\nfreshness_boost = true", "p.toml: home.freshness_boost: expected a table such as"),
        ("[home]\nfreshness_boost = { places = 3 }", "p.toml: home.freshness_boost: expected half_life_days in it"),
        (
            "[home]\nfreshness_boost = { places = inf, half_life_days = 1 }",
            "p.toml: home.freshness_boost.places: expected more than 0 and at most 1000, got inf",
        ),
        ("[home]\nexploration = { epsilon = 0.1 }", "p.toml: home.exploration: expected slots in it"),
        ("[home.exploration]\nslot = [1]", "p.toml: home.exploration: unknown key 'slot'; is 'slots' meant?"),
        ("[home.exploration]\nslots = 3", "p.toml: home.exploration.slots: expected places such as [3, 8], got 3"),
        ("[home.exploration]\nslots = [true]", "p.toml: home.exploration.slots: expected places such as [3, 8]"),
        ("[home.exploration]\nslots = []", "p.toml: home.exploration.slots: expected places, each once"),
        ("[home.exploration]\nslots = [2, 2]", "p.toml: home.exploration.slots: expected places, each once"),
        ("[home.exploration]\nslots = [0]", "p.toml: home.exploration.slots: expected at least 1 and at most 1000"),
        (
            "[home.exploration]\nslots = [1]\nmethod = 'epsilon'",
            "p.toml: home.exploration.method: expected one of ['epsilon-greedy', 'thompson'], got 'epsilon'",
        ),
        ("[home.exploration]\nslots = [1]\nepsilon = 0", "p.toml: home.exploration.epsilon: expected more than 0"),
        ("[home.exploration]\nslots = [1]\nepsilon = 1.5", "p.toml: home.exploration.epsilon: expected more than 0"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(text, message):
    with pytest.raises(PlacementError) as error:
        Placements.parse(text, "p.toml")
    assert str(error.value).startswith(message)
    assert isinstance(error.value, FeaturizerError)


def test_deep_nesting_is_a_mistake_and_no_crash():
    with pytest.raises(PlacementError, match=r"p\.toml: it is "):
        Placements.parse("[home]\nfill_up = " + "[" * 100_000, "p.toml")
