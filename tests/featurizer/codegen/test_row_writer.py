from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import presage_featurizer
from presage_featurizer import BEHAVIOR, CATALOGUE, CORE, FEATURE_SETS, MAX_UNIX_MICROS, FeatureSet, decode_needed
from presage_featurizer.codec import encode_state
from presage_featurizer.codegen import row_writer
from presage_featurizer.codegen.row_writer import row_writer_source
from presage_featurizer.featurize import pack_rows
from presage_featurizer.view import View
from support import feature_shapes
from support.events import DAY_MICROS, SESSION_IDS, START_UNIX_MICROS, STORY, any_log, at, fold_all

ZONES = ("UTC", "Europe/London", "Asia/Kathmandu")


def one_by_one(functions, asked, time_zone="UTC", countries=None):
    rows = b""
    for state, now, session_id in zip(*asked, strict=True):
        view = View(state, now, session_id, time_zone, countries or {})
        rows += pack(f"{len(functions)}f", *[function(view) for function in functions])
    return rows


def one_by_one_of_set(asked, feature_set):
    return one_by_one(feature_set.functions, asked, feature_set.time_zone, feature_set.country_indices)


@st.composite
def asked(draw):
    """Draw what is asked for: states, moments and session ids of some visitors."""
    states = draw(st.lists(st.one_of(st.none(), any_log(max_events=10).map(fold_all)), max_size=3))
    moments = [
        draw(
            st.one_of(
                st.integers(0, MAX_UNIX_MICROS),
                st.integers(START_UNIX_MICROS - DAY_MICROS, START_UNIX_MICROS + 300 * DAY_MICROS),
                st.just(START_UNIX_MICROS if state is None else state.last_seen_unix_micros),
            )
        )
        for state in states
    ]
    return states, moments, [draw(st.sampled_from(SESSION_IDS)) for _ in states]


@pytest.mark.parametrize("name", FEATURE_SETS)
@settings(deadline=None)
@given(asked=asked(), time_zone=st.sampled_from(ZONES))
def test_rows_are_those_of_the_feature_functions_bit_by_bit(name, asked, time_zone):
    shipped = FEATURE_SETS[name]
    feature_set = FeatureSet(name=name, features=shipped.features, time_zone=time_zone, countries=shipped.countries)
    assert pack_rows(*asked, feature_set) == one_by_one_of_set(asked, feature_set)


@settings(deadline=None, max_examples=50)
@given(asked=asked(), features=st.lists(st.sampled_from(list(CATALOGUE)), min_size=1, unique=True))
def test_so_are_those_of_any_choice_in_any_order(asked, features):
    feature_set = FeatureSet(name="any", features=tuple(features), countries=("XX", "GB"))
    assert pack_rows(*asked, feature_set) == one_by_one_of_set(asked, feature_set)


def test_a_core_state_does_for_features_without_habits():
    state = fold_all(STORY)
    core = decode_needed(encode_state(state), CORE.needs)
    assert pack_rows([core], [at(95)], [""], CORE) == one_by_one_of_set(([state], [at(95)], [""]), CORE)


def test_there_is_one_of_each():
    with pytest.raises(ValueError, match="shorter"):
        pack_rows([None, None], [at(0), at(0)], [""], CORE)


def test_most_of_the_catalogue_is_inlined():
    source, namespace = row_writer_source(BEHAVIOR.functions)
    called = [function.__name__ for function in BEHAVIOR.functions if function in namespace.values()]
    assert called == []
    assert "View_" not in source


def test_what_several_features_need_is_computed_once():
    source, _ = row_writer_source(BEHAVIOR.functions)
    assert source.count(".hours_of_week") == 1
    assert source.count("% 86400 // 3600") == 1


def test_the_view_of_functions_that_are_called_is_made_of_what_the_others_need():
    source, _ = row_writer_source([*CORE.functions, *feature_shapes.CALLED])
    assert source.count(".cart_units = ") == 1
    assert source.count(".price_micros * ") == 1


def test_what_no_feature_needs_is_not_computed():
    source, _ = row_writer_source(FeatureSet(name="one", features=("frequency",)).functions)
    assert ".cart" not in source
    assert ".sessions" not in source


STATES = (None, fold_all(STORY[:1]), fold_all(STORY[:5]), fold_all(STORY))


@pytest.mark.parametrize("function", feature_shapes.INLINED + feature_shapes.CALLED, ids=lambda each: each.__name__)
def test_functions_of_any_shape_give_their_values(function):
    asked = STATES, [at(95)] * len(STATES), [""] * len(STATES)
    _, namespace = row_writer_source([function])
    assert (function in namespace.values()) == (function in feature_shapes.CALLED)
    assert row_writer((function,))(*asked, "UTC", {}) == one_by_one([function], asked)


def test_all_shapes_together_give_their_values():
    functions = feature_shapes.INLINED + feature_shapes.CALLED
    asked = STATES, [at(95)] * len(STATES), [""] * len(STATES)
    assert row_writer(functions)(*asked, "UTC", {}) == one_by_one(functions, asked)


def test_an_equal_call_is_not_made_again():
    source, _ = row_writer_source([feature_shapes.shared_call, feature_shapes.shared_call_again])
    assert source.count("first_seen_unix_micros") == 1


def test_a_traceback_shows_the_line_that_was_generated():
    with pytest.raises(AttributeError) as caught:
        pack_rows(["not a state"], [at(0)], [""], CORE)
    assert ".sessions" in "".join(traceback.format_exception(caught.value))


def test_a_source_that_was_changed_since_is_not_used(tmp_path, monkeypatch):
    path = tmp_path / "changing_features.py"
    path.write_text("def changing(view):\n    return view.state.orders + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import changing_features  # type: ignore[import-not-found]

    path.write_text("def changing(view):\n    return view.state.orders + 2\n")
    _, namespace = row_writer_source([changing_features.changing])
    assert changing_features.changing in namespace.values()
    rows = row_writer((changing_features.changing,))([None], [at(0)], [""], "UTC", {})
    assert rows == pack("f", 1)


WITHOUT_SOURCES = """\
import pathlib
import presage_featurizer as featurizer
from presage_featurizer.codegen.row_writer import row_writer_source

assert not list(pathlib.Path(featurizer.__file__).parent.rglob("*.py")), "expected no sources"
state = featurizer.decode_state(bytes.fromhex(input()))
now = int(input())
source, namespace = row_writer_source(featurizer.BEHAVIOR.functions)
assert all(function in namespace.values() for function in featurizer.BEHAVIOR.functions), source
print(featurizer.feature_rows([state], [now], [""], featurizer.BEHAVIOR).tobytes().hex())
"""


def test_without_sources_every_function_is_called(tmp_path):
    package = Path(presage_featurizer.__file__).parent
    compile_all = [sys.executable, "-m", "compileall", "-q", "-b", tmp_path / "presage_featurizer"]
    subprocess.run(["cp", "-r", package, tmp_path / "presage_featurizer"], check=True)
    subprocess.run(compile_all, check=True)
    for source in (tmp_path / "presage_featurizer").rglob("*.py"):
        source.unlink()
    state = fold_all(STORY)
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_SOURCES],
        input=f"{encode_state(state).hex()}\n{at(95)}\n",
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    assert bytes.fromhex(ran.stdout) == one_by_one_of_set(([state], [at(95)], [""]), BEHAVIOR)
