"""Where compiled functions come from, and what happens where there are none."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys

import numba
import numpy as np
import pytest
from numba import types

from presage_featurizer.ranking import similar_sessions
from presage_featurizer.ranking.compiled import features, kernels, load_kernels, loading, nearness, visitors
from presage_featurizer.ranking.compiled.compiling import compiled, inner
from presage_featurizer.ranking.item_features import CODES, FAR, ITEM_FEATURES, RATES
from presage_featurizer.ranking.pairs import PAIR_FEATURES

MODULE = """
from numba import types
from presage_featurizer.ranking.compiled.compiling import compiled

@compiled(types.float64, types.float64)
def doubled(number):
    return 2.0 * number
"""


def import_file(path):
    spec = importlib.util.spec_from_file_location("a_module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hits(function) -> int:
    return sum(function.stats.cache_hits.values())


@pytest.mark.parametrize("module", [features, nearness, visitors])
def test_the_file_of_a_function_has_all_that_is_compiled_into_it(module):
    # What is kept on disk is compiled again when this one file changes, and only then.
    tree = ast.parse(inspect.getsource(module))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"__future__", "numba", "numpy", "presage_featurizer.ranking.compiled.compiling"}


def test_constants_are_those_of_the_other_modules():
    names = list(PAIR_FEATURES)
    places = {
        "own_score": features._OWN,
        "session_rank": features._SESSION,
        "viewed_together": features._NEAR,
        "category_share": features._SHARES,
        "same_category": features._SAME,
        "price_to_newest": features._PRICES,
        "price": features._ITEM,
        "repeat_rate": features._CANDIDATE,
        "own_items": features._VISITOR,
    }
    assert {name: names.index(name) for name in places} == places
    assert (len(ITEM_FEATURES), len(RATES), len(CODES)) == (features._ITEM_FEATURES, features._RATES, features._KINDS)
    assert features._FAR == nearness._FAR == FAR
    assert features.MAX_SUMMED == loading.MAX_COMPILED_ITEMS
    assert nearness._MAX_LAST_ITEMS == similar_sessions.MAX_LAST_ITEMS
    for name in ("_SESSIONS_PER_ITEM", "_SIMILAR_SESSIONS", "_MAX_ITEMS"):
        assert getattr(nearness, name) == getattr(similar_sessions, name)


def test_what_was_compiled_is_loaded_again_and_damage_is_none(tmp_path):
    path = tmp_path / "a_module.py"
    path.write_text(MODULE)
    assert (import_file(path).doubled(2.0), hits(import_file(path).doubled)) == (4.0, 1)
    path.write_text(MODULE.replace("2.0", "3.0"))
    assert import_file(path).doubled(2.0) == 6.0
    kept = list((tmp_path / "__pycache__").glob("*.nb*"))
    assert kept
    for file in kept:
        file.write_bytes(b"damaged")
    again = import_file(path).doubled
    assert (again(2.0), hits(again)) == (6.0, 0)


def test_without_a_folder_to_keep_it_in_a_function_is_compiled_nevertheless():
    found = {"compiled": compiled, "types": types}
    exec(compile(MODULE.split("compiled\n\n", 1)[1], "<nowhere>", "exec"), found)
    assert found["doubled"](4.0) == 8.0


def test_nothing_is_compiled_for_other_types_later():
    for function in kernels():
        assert len(function.signatures) == 1
    with pytest.raises(TypeError, match="No matching definition"):
        kernels().find_rows(np.zeros((2, 2), np.uint64), np.zeros(1, np.float32), np.zeros(1, np.int64))


def test_they_are_taken_only_when_they_were_loaded(monkeypatch):
    monkeypatch.setattr(loading, "LOADING", loading._Loading())
    assert kernels() is None
    assert load_kernels() is kernels() is load_kernels() is not None


def test_without_numba_or_where_it_must_not_compile_there_are_none(monkeypatch):
    assert loading._load() is not None
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert loading._load() is None
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert loading._load() is None


def test_no_multiplication_is_fused_with_an_addition():
    @inner
    def line(factor, price, more):
        return price * factor + more

    assert line(1.0 / 3.0, 3.0, -1.0) == 0.0  # fused: -5.6e-17
    (assembly,) = line.inspect_asm().values()
    assert "fmadd" not in assembly
    assert "mul" in assembly
