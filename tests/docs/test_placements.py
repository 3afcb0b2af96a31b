from __future__ import annotations

import re
from dataclasses import fields

import pytest

from presage_featurizer.errors import PlacementError
from presage_featurizer.ranking.placements import Exploration, FreshnessBoost, Placement, Placements
from support.doc_blocks import ROOT, blocks_of

HOW_TO = ROOT / "docs/how-to/rules-of-placements.md"
REFERENCE = ROOT / "docs/reference/placements.md"


def test_the_example_is_read_and_means_what_the_page_says():
    (example,) = (block.text for block in blocks_of(HOW_TO) if block.language == "toml")
    placements = Placements.parse(example, "placements.toml")
    assert list(placements) == ["home", "cart"]
    assert placements[""] == Placement(max_per_brand=4, freshness_boost=FreshnessBoost(places=3, half_life_days=7))
    assert placements["home"].exploration == Exploration(slots=(3, 8), method="thompson")
    assert placements["cart"] == Placement(max_per_brand=4, cheaper_alternatives=2)


def test_the_message_is_the_one_that_a_mistake_gets():
    shown = next(block.text for block in blocks_of(HOW_TO) if block.text.startswith("placements.toml: "))
    with pytest.raises(PlacementError) as error:
        Placements.parse("[home]\nmax_per_categry = 3", "placements.toml")
    assert str(error.value) == shown.strip()


def test_the_reference_has_every_key_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", REFERENCE.read_text(), re.MULTILINE))
    defaults = {}
    for shape in (Placement, FreshnessBoost, Exploration):
        for field in fields(shape):
            needed = field.default is field.default_factory
            value = field.default
            text = (
                f'"{value}"'
                if isinstance(value, str)
                else f"{value:g}"
                if isinstance(value, float)
                else str(value).lower()
            )
            defaults[field.name] = "needed" if needed else "none" if value is None else f"`{text}`"
    assert rows == defaults
