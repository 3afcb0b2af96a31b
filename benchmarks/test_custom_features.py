"""What a project's own features cost: one declared feature and twenty, and two in Python, beside the 20 of the shipped set."""

from __future__ import annotations

from pathlib import Path

import pytest

from presage_featurizer import NO_AGGREGATES, decode_needed, encode_state, featurize, fold
from presage_featurizer.custom import CustomFeatures

pytestmark = pytest.mark.benchmark(group="a project's own features, in the process", max_time=0.5)

_HEAD = 'name = "shop"\nextends = "conversion"\n[features]\n'
_SHOES = 'where = { "item.category" = ["shoes", "boots"] }'
_KINDS = (
    f'aggregate = "count", {_SHOES}',
    'aggregate = "count", events = ["VIEW_ITEM"]',
    'aggregate = "count", events = ["SEARCH"]',
    'aggregate = "sum", of = "item.price"',
    'aggregate = "min", of = "item.price"',
    'aggregate = "max", of = "value"',
    'aggregate = "last", of = "item.category", values = ["shoes", "boots"]',
    'aggregate = "distinct", of = "item.brand"',
    f'aggregate = "decayed_sum", half_life_days = 7, {_SHOES}',
    'aggregate = "time_since_last", events = ["VIEW_ITEM", "LOGIN"], unit = "hours"',
)
_LINES = [
    f'own_{place}_{over} = {{ {kind}, over = "{over}" }}\n'
    for place, kind in enumerate(_KINDS)
    for over in ("session", "visitor")
]
_FOLDER = Path(__file__).parent / "custom_features" / "project"
_PROJECT = {name: (_FOLDER / name).read_text() for name in ("features.toml", "features.py")}
DECLARED = {0: None, 1: CustomFeatures.parse(_HEAD + _LINES[2]), 20: CustomFeatures.parse(_HEAD + "".join(_LINES))}
"""The shipped set with so many declared features."""


@pytest.fixture(params=DECLARED)
def declared(request):
    return request.param


def _state(visitor, declared):
    """The visitor's state, with slots that the next event has filled."""
    return fold(visitor.state, visitor.event, _aggregates(declared))


def _aggregates(declared):
    custom = DECLARED[declared]
    return NO_AGGREGATES if custom is None else custom.aggregates


def _feature_set(declared, model):
    custom = DECLARED[declared]
    return model.feature_set if custom is None else custom.feature_set


def test_fold_with_own_features(benchmark, visitor, declared):
    state = benchmark(fold, visitor.state, visitor.event, _aggregates(declared))
    slots = len(state.slots) + len(state.sessions[-1].slots)
    assert slots <= declared
    assert bool(slots) == bool(declared)


def test_featurize_with_own_features(benchmark, visitor, model, declared):
    state, feature_set = _state(visitor, declared), _feature_set(declared, model)
    vector = benchmark(featurize, state, visitor.now_unix_micros, feature_set)
    assert vector[:20].tolist() == featurize(state, visitor.now_unix_micros, model.feature_set).tolist()
    assert len(vector) == 20 + declared


@pytest.mark.parametrize("in_python", [0, 2])
def test_featurize_with_python_features(benchmark, visitor, in_python):
    custom = CustomFeatures.parse(_PROJECT["features.toml"], _PROJECT["features.py"] if in_python else "")
    state = fold(visitor.state, visitor.event, custom.aggregates)
    vector = benchmark(featurize, state, visitor.now_unix_micros, custom.feature_set)
    assert len(custom.in_python) == in_python
    assert len(vector) == len(custom.feature_set.features)


def test_core_state_decode_with_own_features(benchmark, visitor, declared):
    state = _state(visitor, declared)
    core = benchmark(decode_needed, encode_state(state), frozenset())
    assert core.slots == state.slots
