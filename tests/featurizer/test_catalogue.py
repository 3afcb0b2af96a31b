"""What every feature promises, checked for all of them: a new one is covered from the moment that it enters the catalogue."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import CATALOGUE, CORE, MAX_UNIX_MICROS, encode_state
from presage_featurizer.catalogue import Scope, feature
from presage_featurizer.view import View
from support.events import DAY_MICROS, SESSION_IDS, any_log, at, fold_all

UNITS = {
    *("brands", "categories", "events", "orders", "products", "units", "views"),
    *("currency", "share", "flag"),
    *("days", "minutes", "seconds", "hour", "day", "month", "quarter"),
    *("device", "index", "segment", "step", "steps", "type"),
    *("bits", "events/day", "ratio", "score"),
}

every_feature = pytest.mark.parametrize("name", CATALOGUE)


def view_of(state, now_unix_micros, session_id="", time_zone="Europe/London"):
    return View(state, now_unix_micros, session_id, time_zone, CORE.country_indices)


@every_feature
def test_is_described(name):
    described = CATALOGUE[name]
    docstring = described.compute.__doc__.strip()
    assert described.name == described.compute.__name__ == name
    assert docstring.splitlines() == [described.meaning]
    assert described.meaning.endswith(".")
    assert described.unit in UNITS
    assert described.scope in get_args(Scope)
    assert described.compute.__module__ == f"presage_featurizer.features.{described.scope}"
    assert described.version >= 1


@every_feature
def test_range_holds_the_default(name):
    described = CATALOGUE[name]
    assert described.low < described.high
    assert (described.default is None) == (described.scope == "calendar")
    if described.default is not None:
        assert described.low <= described.default <= described.high


@every_feature
@pytest.mark.parametrize("now_unix_micros", [0, at(0), MAX_UNIX_MICROS])
def test_without_history_is_its_default(name, now_unix_micros):
    described = CATALOGUE[name]
    value = described.compute(view_of(None, now_unix_micros))
    if described.default is not None:
        assert value == described.default
    assert described.low <= value <= described.high


@settings(deadline=None)
@given(
    log=any_log(),
    later_micros=st.sampled_from((-40 * DAY_MICROS, 0, 1, DAY_MICROS, 200 * DAY_MICROS, None)),
    session_id=st.sampled_from(SESSION_IDS),
)
def test_every_value_is_finite_in_range_and_leaves_the_state_alone(log, later_micros, session_id):
    state = fold_all(log)
    now = MAX_UNIX_MICROS if later_micros is None else log[-1].event_time_unix_micros + later_micros
    before = encode_state(state)
    wrong = {}
    for name, described in CATALOGUE.items():
        value = np.float32(described.compute(view_of(state, now, session_id)))
        again = np.float32(described.compute(view_of(state, now, session_id)))
        if not (math.isfinite(value) and described.low <= value <= described.high and value == again):
            wrong[name] = (value, again)
    assert wrong == {}
    assert encode_state(state) == before


def test_names_are_unique():
    with pytest.raises(AssertionError, match="frequency"):

        @feature(unit="orders", scope="visitor")
        def frequency(_view):
            """Orders so far."""
            return 0.0
