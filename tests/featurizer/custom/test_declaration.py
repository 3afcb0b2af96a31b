from __future__ import annotations

import re

import pytest

from presage_featurizer import CORE, FeatureSetError
from presage_featurizer.custom import CustomFeatures
from presage_featurizer.custom.declaration import read_declaration

HEAD = 'name = "shop"\nextends = "conversion"\n'


def line(text):
    return f"{HEAD}[features]\nx = {{ {text} }}\n"


def test_the_smallest_declaration():
    read = read_declaration(HEAD)
    assert (read.name, read.time_zone, read.countries, dict(read.declared)) == ("shop", "UTC", (), {})


def test_the_vocabulary_is_that_of_the_set_it_extends_unless_given():
    assert read_declaration('name = "shop"\nextends = "core"').countries == CORE.countries
    assert read_declaration('name = "shop"\nextends = "core"\ncountries = ["DE"]').countries == ("DE",)


def test_a_list_of_features_is_extended_too():
    custom = CustomFeatures.parse('name = "shop"\nextends = ["frequency", "page_views"]\ntime_zone = "Europe/Berlin"')
    assert custom.feature_set.features == ("frequency", "page_views")
    assert custom.feature_set.time_zone == "Europe/Berlin"


COUNT = 'aggregate = "count", over = "session"'

BAD = {
    "name = ": "it is not valid TOML: Invalid value",
    'extends = "conversion"': "it: the table missing required field `name`",
    'name = "shop"': "it: the table missing required field `extends`",
    'name = "conversion"\nextends = []': "name: expected 1 to 64 letters, .* not the name of a shipped set, got 'conversion'",
    'name = "my shop"\nextends = []': "name: expected 1 to 64 letters.*got 'my shop'",
    'name = "shop"\nextends = "nothing"': "extends: expected one of .*'behavior', .*got 'nothing'",
    'name = "shop"\nextends = ["nothing"]': r"extends: \['nothing'\] are not in the catalogue",
    'name = "shop"\nextends = 1': r"extends: Expected `str \| array`, got `int`",
    HEAD + "colour = 1": "it: the table contains unknown field `colour`",
    HEAD + 'exclude = ["nothing"]': r"exclude: \['nothing'\] are not in the set; it has \['recency_days'",
    HEAD + 'time_zone = "Mars/Base"': "time_zone: expected an IANA name",
    HEAD + 'countries = ["germany"]': "countries: expected two capital letters",
    'name = "shop"\nextends = []': "features: expected at least one name",
    HEAD + "[features]\nx = 1": "features.x: expected a table such as",
    HEAD + f"[features]\nX = {{ {COUNT} }}": "features.X: expected a name of a-z",
    HEAD + f"[features]\nfrequency = {{ {COUNT} }}": "features.frequency: the catalogue has a feature of this name",
    line('over = "session"'): "features.x: the table missing required field `aggregate`",
    line('aggregate = "mean", over = "session"'): "features.x.aggregate: expected one of count, sum, .*, got 'mean'",
    line('aggregate = "count"'): "features.x: the table missing required field `over`",
    line('aggregate = "count", over = "week"'): "features.x.over: expected session or visitor, got 'week'",
    line(COUNT + ", colour = 1"): "features.x: the table contains unknown field `colour`",
    line(COUNT + ', of = "value"'): "features.x.of: count has no use for it",
    line(COUNT + ", cap = 3"): "features.x.cap: count has no use for it",
    line(COUNT + ", half_life_days = 3"): "features.x.half_life_days: count has no use for it",
    line(COUNT + ', unit = "days"'): "features.x.unit: count has no use for it",
    line(COUNT + ", values = []"): "features.x.values: count has no use for it",
    line(COUNT + ", default = nan"): "features.x.default: expected a finite number, got nan",
    line(COUNT + ", default = 1e39"): "features.x.default: expected a finite number",
    line(COUNT + ", events = []"): "features.x.events: expected at least one of PAGE_VIEW",
    line(COUNT + ', events = ["VIEW"]'): r"features.x.events: expected at least one of .*VIEW_ITEM.*got \['VIEW'\]",
    line(COUNT + ', events = "SEARCH"'): "features.x.events: Expected `array | null`, got `str`",
    line(COUNT + ', events = ["REFUND"]'): 'features.x.events: refunds belong to no session; write over = "visitor"',
    line('aggregate = "sum", over = "session"'): 'features.x.of: sum needs it; add of = "numbers.margin"',
    line(
        'aggregate = "sum", over = "session", of = "labels.x"'
    ): "features.x.of: expected numbers.NAME, .*for sum, got 'labels.x'",
    line('aggregate = "sum", over = "session", of = "numbers.X"'): "features.x.of: expected numbers.NAME",
    line(
        'aggregate = "distinct", over = "session", of = "value"'
    ): "features.x.of: expected labels.NAME, .*for distinct",
    line('aggregate = "distinct", over = "session", of = "country"'): "features.x.of: expected labels.NAME",
    line(
        'aggregate = "distinct", over = "session", of = "labels.x", cap = 257'
    ): "features.x.cap: expected 1 to 256, got 257",
    line(
        'aggregate = "last", over = "session", of = "device"'
    ): "features.x.of: expected numbers.NAME.*labels.NAME.*for last",
    line('aggregate = "last", over = "session", of = "labels.x"'): "features.x.values: the last text needs them",
    line(
        'aggregate = "last", over = "session", of = "value", values = ["a"]'
    ): "features.x.values: the last number has no use",
    line(
        'aggregate = "last", over = "session", of = "labels.x", values = ["a", "a"]'
    ): "features.x.values: expected at most 256",
    line('aggregate = "decayed_sum", over = "session"'): "features.x.half_life_days: decayed_sum needs it",
    line(
        'aggregate = "decayed_sum", over = "session", half_life_days = 0'
    ): "features.x.half_life_days: expected more than 0",
    line(
        'aggregate = "decayed_sum", over = "session", half_life_days = nan'
    ): "features.x.half_life_days: expected more than 0",
    line(
        'aggregate = "time_since_last", over = "session", unit = "weeks"'
    ): "features.x.unit: expected one of seconds, .*'weeks'",
    line(
        COUNT + ', where = { colour = "red" }'
    ): "features.x.where.colour: expected one of numbers.NAME, labels.NAME, value",
    line(
        COUNT + ', where = { device = "mobile" }'
    ): "features.x.where.device: expected one of DESKTOP, .*, got 'mobile'",
    line(COUNT + ', where = { country = "germany" }'): "features.x.where.country: expected two capital letters",
    line(COUNT + ", where = { country = 1 }"): "features.x.where.country: expected a text or a list of texts, got 1",
    line(COUNT + ", where = { country = { min = 1 } }"): "features.x.where.country: .*min and max are for numbers",
    line(COUNT + ", where = { country = [] }"): "features.x.where.country: expected 1 to 256 values, got 0",
    line(COUNT + ', where = { value = "much" }'): "features.x.where.value: expected a number, .*got 'much'",
    line(COUNT + ", where = { value = {} }"): r"features.x.where.value: expected min, max or both, got \[\]",
    line(
        COUNT + ", where = { value = { least = 1 } }"
    ): r"features.x.where.value: expected min, max or both, got \['least'\]",
    line(
        COUNT + ", where = { value = { min = inf } }"
    ): "features.x.where.value.min: expected a number of at most 1e[+]12",
    line(COUNT + f", where = {{ value = 1{'0' * 400} }}"): "features.x.where.value: expected a number",
    line(COUNT + f", where = {{ value = 0x{'f' * 5000} }}"): "features.x.where.value: expected a number",
    line(
        COUNT + f", where = {{ value = {{ min = 1{'0' * 400} }} }}"
    ): "features.x.where.value.min: expected a number of",
    f"{HEAD}x = 1{'0' * 5000}": "it is not valid TOML: ",
    f"{HEAD}x = {'[' * 2000}{']' * 2000}": "it is nested too deeply",
    line(
        COUNT + ", where = { value = { min = 2, max = 1 } }"
    ): "features.x.where.value: expected min to be at most max",
}


@pytest.mark.parametrize(("declaration", "message"), BAD.items(), ids=range(len(BAD)))
def test_what_is_wrong_is_one_sentence_that_names_the_key(declaration, message):
    with pytest.raises(FeatureSetError, match=f"^{message}") as caught:
        CustomFeatures.parse(declaration)
    assert "\n" not in str(caught.value)


def test_there_are_at_most_64_different_aggregates():
    lines = [f'x{number} = {{ {COUNT}, where = {{ "labels.x" = "{number}" }} }}' for number in range(65)]
    same = [f"same{number} = {{ {COUNT}, default = {number} }}" for number in range(65)]
    assert len(CustomFeatures.parse("\n".join([HEAD, "[features]", *lines[:63], *same])).aggregates.aggregates) == 64
    with pytest.raises(FeatureSetError, match="features: expected at most 64 different aggregates, got 65"):
        CustomFeatures.parse("\n".join([HEAD, "[features]", *lines]))


def test_there_are_at_most_1024_distinct_values():
    distinct = 'aggregate = "distinct", of = "item.brand", over = "session"'
    lines = [f'x{number} = {{ {distinct}, cap = 256, where = {{ "labels.x" = "{number}" }} }}' for number in range(4)]
    same = f"same = {{ {distinct}, cap = 256, where = {{ 'labels.x' = '0' }} }}"
    assert CustomFeatures.parse("\n".join([HEAD, "[features]", *lines, same]))
    with pytest.raises(FeatureSetError, match=r"features: the caps of distinct add up to 1025; .* at most 1,?024"):
        CustomFeatures.parse("\n".join([HEAD, "[features]", *lines, f"more = {{ {distinct}, cap = 1 }}"]))


def test_two_aggregates_with_the_key_of_one_slot_are_refused(monkeypatch):
    monkeypatch.setattr("presage_featurizer.aggregates.aggregate._KEY_BYTES", 0)
    text = f'{HEAD}[features]\nx = {{ {COUNT} }}\ny = {{ {COUNT}, events = ["LOGIN"] }}'
    with pytest.raises(FeatureSetError, match=re.escape("features.y: its slot collides with that of x")):
        CustomFeatures.parse(text)
