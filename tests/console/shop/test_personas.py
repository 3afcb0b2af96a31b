from __future__ import annotations

from random import Random

import pytest

from presage_console.shop.clicks import parse_click
from presage_console.shop.personas import PERSONAS
from presage_console.shop.products import read_shelf

SHELF = read_shelf()


def steps_of(persona, seed):
    random = Random(seed)
    script = persona.script(random, SHELF)
    found = [next(script)]
    while len(found) < 100:
        shown = random.sample(list(SHELF.products.values()), random.choice([0, 1, 12]))
        try:
            found.append(script.send(shown))
        except StopIteration:
            return found
    raise AssertionError(f"{persona.name} does not leave")


@pytest.mark.parametrize("persona", PERSONAS.values(), ids=list(PERSONAS))
def test_scripts_end_do_what_the_page_can_do_and_go_by_their_seed(persona):
    for seed in range(20):
        steps = steps_of(persona, seed)
        assert steps == steps_of(persona, seed)
        for step in steps:
            about = f":{step.product.item_id}" if step.product is not None else ""
            form = {"request": "0" * 16, "do": f"{step.action}{about}", "text": step.text}
            assert parse_click(form, SHELF).action == step.action
    assert any(steps_of(persona, seed) != steps_of(persona, 0) for seed in range(1, 20))
