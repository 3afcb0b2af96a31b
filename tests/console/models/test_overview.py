"""Who serves whom, and what is known of each version."""

from __future__ import annotations

import msgspec
import pytest
from console.models.made import a_model, a_version, aliases
from hypothesis import given
from hypothesis import strategies as st

from presage_client import Aliases, ModelKind
from presage_console.models.aliases import from_registry, served_parts, to_registry
from presage_console.models.details import describe_version
from presage_console.models.drawings import draw_importances
from presage_console.models.history import describe_difference
from presage_console.models.overview import describe_models, describe_versions
from presage_export import registry
from presage_export.registry import Arm

SHARES = st.floats(0.0, 1.0)


@given(SHARES, SHARES, st.booleans(), st.booleans())
def test_shares_are_those_that_visitors_are_assigned_by(challenger_share, holdout_share, has_challenger, has_prior):
    made = registry.Aliases(
        champion="3",
        challenger="4" if has_challenger else "",
        challenger_share=challenger_share if has_challenger else 0.0,
        prior="1" if has_prior else "",
        holdout_share=holdout_share,
    )
    share = {part.role: part.share for part in served_parts(made)}
    assert sum(share.values()) == pytest.approx(1.0)
    assert share.get("challenger", 0.0) == pytest.approx(registry.propensity_of(made, Arm.CHALLENGER))
    held_out = registry.propensity_of(made, Arm.HOLDOUT)
    champion = registry.propensity_of(made, Arm.CHAMPION)
    assert share["champion"] == pytest.approx(champion if has_prior else champion + held_out)


@given(SHARES, st.integers(0, 2**40))
def test_aliases_survive_the_way_to_the_registry_and_back(share, revision):
    sent = aliases(challenger="4", challenger_share=share, salt="s", pairs_share=share, revision=revision)
    assert from_registry(to_registry(sent)) == sent


def test_aliases_without_rules_have_the_usual_ones():
    assert to_registry(Aliases(champion="3")).rollback == registry.RollbackRules()


def test_a_model_says_who_serves_whom():
    tried = aliases(challenger="4", challenger_share=0.25, shadow="1")
    (card,) = describe_models([a_model("1", "3", "4", of=tried, rejected="1")])
    assert [(part.role, part.version, part.share) for part in card.parts] == [
        ("champion", "3", 0.75),
        ("challenger", "4", 0.25),
        ("shadow", "1", 0.0),
    ]
    assert (card.purpose, card.versions, card.rejected, card.problem) == ("scores visitors", 3, 1, "")


def test_aliases_that_contradict_each_other_are_a_problem_and_no_guess():
    odd = aliases(champion="3", challenger="3")
    (card,) = describe_models([a_model(of=odd)])
    assert card.parts == ()
    assert "challenger: expected not the champion" in card.problem


def test_versions_are_listed_the_newest_first_with_what_their_bundles_say():
    model = a_model("1", "3", "4", of=aliases(challenger="4", challenger_share=0.1), rejected="1")
    rows = describe_versions(model, {"3": a_version("3"), "4": a_version("4", metrics={}, training_data={})})
    assert [row.version for row in rows] == ["4", "3", "1"]
    tried, champion, broken = rows
    assert (champion.roles, champion.share, champion.quality, champion.rows) == (
        ("champion",),
        0.9,
        "ROC-AUC 0.803",
        "104,504",
    )
    assert (tried.roles, tried.quality, tried.source) == (("challenger",), "", "")
    assert (broken.roles, broken.problem, broken.can_serve) == ((), "its model.onnx is broken", False)


def test_a_ranking_model_is_judged_by_its_lists():
    model = a_model("1", of=aliases(champion="1"), kind=ModelKind.RANKING)
    found = a_version("1", metrics={"mrr_at_20": 0.35, "ndcg_at_10": 0.41}, training_data={"fit_queries": "1894"})
    (row,) = describe_versions(model, {"1": found})
    assert (row.quality, row.rows) == ("NDCG@10 0.410", "1,894")


def test_a_version_is_described_with_its_meanings():
    page = describe_version(a_version(training_data={"train_rows": "1200", "log_end_unix_micros": "1770163257976099"}))
    assert [metric.name for metric in page.metrics] == ["ROC-AUC", "log loss"]
    assert "0.5 is chance" in page.metrics[0].meaning
    assert [(fact.name, fact.value, fact.is_time) for fact in page.training_data] == [
        ("train rows", "1,200", False),
        ("log end", 1_770_163_257_976_099, True),
    ]
    assert page.golden == "64 golden rows, largest difference 1.2e-07"
    assert [each.feature for each in page.importances] == ["deepest_step", "recency_days", "frequency"]


def test_importances_that_no_bundle_states_are_not_guessed():
    page = describe_version(
        a_version(importances={"recency_days": None}, missing=("importances: not written",), golden_check=None)
    )
    assert (page.importances, page.features, page.golden) == ((), 1, "")
    assert draw_importances(page.importances) is None


def test_features_that_matter_little_are_drawn_together():
    many = {f"f{number:02}": 0.05 for number in range(20)}
    chart = draw_importances(describe_version(a_version(importances=many)).importances)
    assert chart is not None
    assert chart.x[-1] == "5 others together"
    assert sum(value or 0.0 for value in chart.series[0].values) == pytest.approx(1.0)


def test_differences_are_said_in_words():
    before = registry.Aliases(champion="3", salt="a")
    tried = registry.split(before, "4", 0.1, champion="3", new_salt="b")
    assert describe_difference(before, tried) == "challenger none → 4, share of the challenger 0 % → 10 %"
    more = registry.split(tried, "4", 0.125, champion="3", new_salt="c")
    assert describe_difference(tried, more) == "share of the challenger 10 % → 12.5 %"
    again = msgspec.structs.replace(tried, salt="c", holdout_share=1.0)
    assert describe_difference(tried, again) == "share held out 0 % → 100 %, visitors assigned again"
    strict = msgspec.structs.replace(tried, rollback=registry.RollbackRules(min_scores=500))
    assert describe_difference(tried, strict) == "rollback.min_scores 200 -> 500"
    assert describe_difference(tried, tried) == ""
