from __future__ import annotations

import pickle
from struct import pack
from types import SimpleNamespace

import pytest
from hypothesis import given, settings

from presage_featurizer import (
    CATALOGUE,
    CONVERSION,
    NO_AGGREGATES,
    FeatureSet,
    FeatureSetError,
    FeatureValueError,
    decode_needed,
    encode_state,
    feature_rows,
    featurize,
    fold,
)
from presage_featurizer.codegen.row_writer import row_writer_source
from presage_featurizer.custom import CustomFeatures, read_custom_features
from presage_featurizer.featurize import pack_rows
from presage_featurizer.view import View
from support.events import STORY, any_log, at
from support.projects import DECLARATION, SOURCE, custom_features

CUSTOM = custom_features()
OWN = tuple(CUSTOM.catalogue)


def folded(log, custom=CUSTOM):
    state = None
    for each in log:
        state = fold(state, each, custom.aggregates)
    return state


def values(custom, log, minutes=95):
    """Compute the project's own features after a log."""
    vector = featurize(folded(log, custom), at(minutes), custom.feature_set)
    return dict(zip(custom.feature_set.features, vector.tolist(), strict=True))


def test_the_set_of_a_project_is_what_it_extends_and_its_own():
    feature_set = CUSTOM.feature_set
    assert feature_set.name == "myshop"
    assert feature_set.features == (*CONVERSION.features, *OWN)
    assert OWN[-2:] == ("search_share", "log_of_cheapest")
    assert feature_set.aggregates == CUSTOM.aggregates
    assert CONVERSION.aggregates == NO_AGGREGATES
    assert CUSTOM.catalogue["search_share"].meaning == "Share of searches among the session's events."
    assert CUSTOM.catalogue["search_share"].high == 1.0
    assert {CUSTOM.catalogue[name].unit for name in OWN} == {
        *("events", "items", "number", "values", "index", "score", "hours", "currency", "ratio", "log currency"),
    }


def test_what_is_excluded_is_still_kept_for_python_features():
    custom = CustomFeatures.parse(
        DECLARATION.replace('extends = "conversion"', 'extends = []\nexclude = ["visit_searches"]'), SOURCE
    )
    assert custom.feature_set.features == OWN[1:]
    assert values(custom, STORY)["search_share"] == 1.0
    assert custom.feature_set.aggregates == CUSTOM.aggregates


@settings(deadline=None)
@given(log=any_log(max_events=10))
def test_rows_are_those_of_the_functions_called_one_by_one(log):
    states, moments = [None, folded(log)], [at(0), at(95)]
    expected = b""
    for state, moment in zip(states, moments, strict=True):
        view = View(state, moment, "", "UTC", {})
        expected += pack(f"{len(CUSTOM.feature_set.features)}f", *[each(view) for each in CUSTOM.feature_set.functions])
    assert pack_rows(states, moments, ["", ""], CUSTOM.feature_set) == expected


def test_declared_features_are_inlined_and_python_features_are_called():
    in_python = frozenset(CUSTOM.catalogue[name].compute for name in CUSTOM.in_python)
    source, namespace = row_writer_source(CUSTOM.feature_set.functions, in_python)
    called = [name for name, value in namespace.items() if f"{name}(view)" in source]
    assert {namespace[name] for name in called} == in_python


PYTHON_BODIES = {
    "a variable that is not set for every visitor": (
        "if view.state.orders:\n        found = 1\n    return found if view.state.orders else 7"
    ),
    "a negative constant": "return LOW ** 2",
    "a call for its effect": "found = [1, 2]\n    last = found.pop()\n    return sum(found)",
    "starred arguments": "return doubled(*[view.state.orders])",
}


@pytest.mark.parametrize("body", PYTHON_BODIES.values(), ids=PYTHON_BODIES)
def test_a_python_feature_is_what_its_function_gives(body):
    before = "LOW = -2\n\n\ndef doubled(number: int) -> int:\n    return 2 * number\n"
    source = f'{SOURCE}\n{before}\n\n@feature()\ndef own(view: View) -> float:\n    """Own."""\n    {body}\n'
    custom = custom_features(source=source)
    states, moments = [folded(STORY), None], [at(95), at(95)]
    rows = feature_rows(states, moments, ["", ""], custom.feature_set)
    views = [View(state, moment, "", "UTC", {}) for state, moment in zip(states, moments, strict=True)]
    assert rows[:, -1].tolist() == [custom.catalogue["own"].compute(view) for view in views]


def test_a_variable_keeps_nothing_of_the_visitor_before():
    body = "if not view.state.first_seen_unix_micros or view.state.orders:\n        found = 1\n    return found"
    custom = custom_features(
        source=f'{SOURCE}\n\n@feature()\ndef own(view: View) -> float:\n    """Own."""\n    {body}\n'
    )
    states = [folded(STORY), folded(STORY[:1])]
    with pytest.raises(FeatureValueError, match="'own' raises UnboundLocalError"):
        feature_rows(states, [at(95), at(95)], ["", ""], custom.feature_set)


def test_a_core_state_does_for_them():
    state = folded(STORY)
    feature_set = CUSTOM.feature_set
    assert not feature_set.needs
    core = decode_needed(encode_state(state), feature_set.needs)
    assert featurize(core, at(95), feature_set).tolist() == featurize(state, at(95), feature_set).tolist()


def test_a_python_feature_of_habits_needs_the_whole_state():
    source = SOURCE.replace("view.session.event_count", "view.habits.item_views")
    assert custom_features(source=source).feature_set.needs == {"habits", "items"}


def test_projects_and_their_sets_can_be_pickled():
    restored = pickle.loads(pickle.dumps(CUSTOM))
    assert (restored, restored.feature_set) == (CUSTOM, CUSTOM.feature_set)
    restored = pickle.loads(pickle.dumps(CUSTOM.feature_set))
    assert restored == CUSTOM.feature_set
    assert feature_rows([None], [at(0)], [""], restored).shape == (1, len(CUSTOM.feature_set.features))


class TestDefinitions:
    def test_without_own_features_nothing_is_recorded(self):
        plain = FeatureSet(name="conversion", features=CONVERSION.features, custom=CUSTOM)
        assert plain.fingerprint == CONVERSION.fingerprint
        assert plain.definition == CONVERSION.definition

    @pytest.mark.parametrize(
        ("before", "after", "changed"),
        [
            ('["SEARCH"]', '["LOGIN"]', {"visit_searches", "search_share"}),
            ('"numbers.margin"', '"numbers.other"', {"margin_viewed"}),
            ("cap = 64", "cap = 65", {"brands_viewed"}),
            ('"email", "ads"', '"ads", "email"', {"last_channel"}),
            ("half_life_days = 7", "half_life_days = 8", {"shoe_interest", "log_of_cheapest"}),
            ('"shoes", "hats"', '"shoes"', {"shoe_interest", "log_of_cheapest"}),
            ('"hours"', '"days"', {"hours_since_login"}),
            ("default = -1 }\ncheapest", "default = -2 }\ncheapest", {"hours_since_login"}),
            ("min = 1", "max = 1", {"cheapest_viewed", "log_of_cheapest"}),
            ('of = "value", over = "visitor"', 'of = "value", over = "session"', {"largest_value"}),
        ],
    )
    def test_a_part_of_a_line_changes_what_depends_on_it_alone(self, before, after, changed):
        assert before in DECLARATION
        custom = CustomFeatures.parse(DECLARATION.replace(before, after), SOURCE)
        assert {name for name in OWN if custom.definitions[name] != CUSTOM.definitions[name]} == changed
        assert custom.feature_set.fingerprint != CUSTOM.feature_set.fingerprint

    @pytest.mark.parametrize(
        ("before", "after", "changed"),
        [
            ("LEAST_EVENTS = 1", "LEAST_EVENTS = 2", {"search_share"}),
            ("max(LEAST_EVENTS, count)", "max(LEAST_EVENTS, 2 * count)", {"search_share"}),
            ("-1.0", "-2.0", {"log_of_cheapest"}),
            ("import math", "import math as maths", {"log_of_cheapest"}),
            ('"ratio", low=0.0', '"ratio", low=-1.0', {"search_share"}),
        ],
    )
    def test_a_part_of_the_source_changes_what_depends_on_it_alone(self, before, after, changed):
        source = SOURCE.replace(before, after).replace("math.log", "maths.log" if "maths" in after else "math.log")
        custom = custom_features(source=source)
        assert {name for name in OWN if custom.definitions[name] != CUSTOM.definitions[name]} == changed

    def test_another_feature_changes_none(self):
        more = SOURCE + '\n\n@feature()\ndef one(view: View) -> float:\n    """One."""\n    return 1.0\n'
        custom = custom_features('logins = { aggregate = "count", over = "visitor", events = ["LOGIN"] }', source=more)
        assert {name: custom.definitions[name] for name in OWN} == CUSTOM.definitions
        assert set(custom.catalogue) == {*OWN, "logins", "one"}

    def test_a_line_written_otherwise_is_the_same(self):
        written = DECLARATION.replace('["shoes", "hats"]', '["hats", "shoes"]').replace("max = ", " max=")
        assert CustomFeatures.parse(written, SOURCE.replace("\n", "\r\n")).definitions == CUSTOM.definitions

    def test_the_texts_of_last_do_not_change_what_is_kept(self):
        more = CustomFeatures.parse(DECLARATION.replace('"email", "ads"', '"email", "ads", "tv"'), SOURCE)
        assert more.aggregates == CUSTOM.aggregates


class TestRestore:
    RECORDED = SimpleNamespace(**CUSTOM.feature_set.definition)

    def test_with_the_project_it_is_the_same_set(self):
        restored = FeatureSet.restore(self.RECORDED, custom_features())
        assert restored == CUSTOM.feature_set
        assert restored.functions

    def test_a_server_without_the_project_is_refused_the_model(self):
        with pytest.raises(
            FeatureSetError, match=r"custom: 'visit_searches' is a project's own .*--project or PRESAGE_"
        ):
            FeatureSet.restore(self.RECORDED)

    def test_so_is_a_project_that_lacks_a_feature(self):
        with pytest.raises(FeatureSetError, match=r"custom: the project has no feature 'search_share'.*--project"):
            FeatureSet.restore(self.RECORDED, custom_features(source=""))

    def test_and_one_that_defines_it_otherwise(self):
        other = CustomFeatures.parse(DECLARATION.replace("cap = 64", "cap = 63"), SOURCE)
        with pytest.raises(FeatureSetError, match=r"custom: the project defines 'brands_viewed' as .*63.*64.*train it"):
            FeatureSet.restore(self.RECORDED, other)

    def test_a_project_with_more_features_does(self):
        more = custom_features('logins = { aggregate = "count", over = "visitor", events = ["LOGIN"] }')
        restored = FeatureSet.restore(self.RECORDED, more)
        assert restored.fingerprint == CUSTOM.feature_set.fingerprint
        assert restored.aggregates == more.aggregates

    def test_a_model_without_own_features_needs_no_project(self):
        assert FeatureSet.restore(SimpleNamespace(**CONVERSION.definition), CUSTOM).aggregates == NO_AGGREGATES


class TestFailures:
    @pytest.mark.parametrize(
        ("expression", "match"),
        [
            ("1 / (view.state.orders - 1)", "'bad' raises ZeroDivisionError: division by zero"),
            ("float('inf') if view.state.orders else 0.0", "'bad' is inf; a feature must be a finite number"),
            ("float('nan') if view.state.orders else 0.0", "'bad' is nan"),
            ("1e39 if view.state.orders else 0.0", "'bad' is 1e[+]39"),
            ("None if view.state.orders else 0.0", "'bad' is None"),
            ("'many' if view.state.orders else 0.0", "'bad' is many"),
        ],
    )
    def test_a_value_that_cannot_be_served_names_its_feature(self, expression, match):
        source = SOURCE + f'\n\n@feature()\ndef bad(view: View) -> float:\n    """Bad."""\n    return {expression}\n'
        custom = custom_features(source=source)
        assert values(custom, STORY[:1])["bad"] in (0.0, -1.0)
        with pytest.raises(FeatureValueError, match=match):
            values(custom, STORY)

    def test_a_feature_that_fails_without_history_is_found_at_once(self):
        source = SOURCE.replace("at_least_one(view.session.event_count)", "view.session.event_count")
        with pytest.raises(
            FeatureSetError, match=r"features\.py: for a visitor without history, .*'search_share' raises Zero"
        ):
            custom_features(source=source)

    def test_another_error_stays_what_it_was(self):
        with pytest.raises(ValueError, match="shorter"):
            pack_rows([None, None], [at(0), at(0)], [""], CUSTOM.feature_set)


def test_an_aggregate_has_a_value_only_in_a_project():
    with pytest.raises(FeatureSetError, match=r"aggregate: 'x' has a value only where a project's features\.py"):
        View(None, at(0), "", "UTC", {}).aggregate("x")


class TestFolder:
    def test_a_project_is_read_from_its_folder(self, tmp_path):
        (tmp_path / "features.toml").write_text(DECLARATION)
        assert read_custom_features(tmp_path) == CustomFeatures.parse(DECLARATION)
        (tmp_path / "features.py").write_text(SOURCE)
        assert read_custom_features(tmp_path) == CUSTOM

    def test_errors_name_the_folder(self, tmp_path):
        with pytest.raises(FeatureSetError, match=f"{tmp_path}.*No such file.*features.toml"):
            read_custom_features(tmp_path)
        (tmp_path / "features.toml").write_text('name = "shop"')
        with pytest.raises(FeatureSetError, match=f"^{tmp_path}: .*extends"):
            read_custom_features(tmp_path)
        (tmp_path / "features.toml").write_bytes(b"\xff")
        with pytest.raises(FeatureSetError, match=f"^{tmp_path}: .*utf-8"):
            read_custom_features(tmp_path)

    def test_a_byte_order_mark_is_no_part_of_a_file(self, tmp_path):
        (tmp_path / "features.toml").write_text(DECLARATION, encoding="utf-8-sig")
        (tmp_path / "features.py").write_text(SOURCE, encoding="utf-8-sig")
        assert read_custom_features(tmp_path) == CUSTOM

    @pytest.mark.parametrize("name", ["features.toml", "features.py"])
    def test_a_file_that_is_too_long_is_not_cut(self, tmp_path, name):
        (tmp_path / "features.toml").write_text(DECLARATION)
        (tmp_path / "features.py").write_text(SOURCE)
        with (tmp_path / name).open("a") as file:
            file.write("#" * (1 << 20))
        with pytest.raises(FeatureSetError, match=f"^{tmp_path}: {name}: expected at most 1 MiB"):
            read_custom_features(tmp_path)


def test_names_of_the_catalogue_are_not_for_projects():
    assert not CATALOGUE.keys() & CUSTOM.catalogue.keys()
