"""What is measured in an archive: the figures of ``presage models compare``, and how far scores were from what happened."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from console.models.archives import write_archive
from console.models.made import a_model, a_version, aliases

from presage_client import ModelKind
from presage_console.errors import SourceError
from presage_console.models.calibration import describe_calibration
from presage_console.models.comparison import (
    as_sentence,
    comparable_versions,
    comparison_question,
    describe_comparison,
    usual_pair,
)
from presage_console.models.jobs import measure_in_process
from presage_console.models.measurements import (
    Failure,
    MeasuredCalibration,
    MeasuredComparison,
    Question,
)
from presage_console.models.measuring import measure
from presage_training.datasets.targets import parse_target
from presage_training.verdicts import compare, read_pairs


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return write_archive(tmp_path_factory.mktemp("measured") / "archive")


@pytest.fixture(scope="module")
def compared(archive) -> MeasuredComparison:
    found = measure(Question(archive=str(archive), model="conversion", versions=("3", "4")))
    assert isinstance(found, MeasuredComparison)
    return found


@pytest.fixture(scope="module")
def calibrated(archive) -> MeasuredCalibration:
    found = measure(Question(archive=str(archive), model="conversion", target="purchase-in-session"))
    assert isinstance(found, MeasuredCalibration)
    return found


def test_figures_are_those_of_the_command_line(archive, compared):
    rows = read_pairs(archive, model="conversion", versions=("3", "4"), target=parse_target("purchase-in-session"))
    expected = compare(rows)
    figures = {figure.name: figure for figure in compared.figures}
    assert tuple(figures["log loss"].difference) == pytest.approx(tuple(expected.loss.difference))
    assert tuple(figures["rank correlation of the scores"].difference) == pytest.approx(tuple(expected.agreement))
    assert expected.auc is not None
    roc_auc = figures["ROC-AUC"].b
    assert roc_auc is not None
    assert tuple(roc_auc) == pytest.approx(tuple(expected.auc.b))
    assert (compared.rows, compared.visitors, compared.sentence) == (300, 300, expected.sentence)
    assert (compared.action, compared.reason) == ("roll back", expected.sentence)


def test_a_comparison_says_which_version_each_figure_favours(compared):
    view = describe_comparison(compared)
    says = {row.name: row.says for row in view.rows}
    assert says["log loss"] == says["ROC-AUC"] == "version 3 is better"
    assert says["mean score less mean outcome"] == ""
    assert view.advice == "Roll version 4 back."
    for row in view.rows:
        if row.bar is not None:
            low, value, high = row.bar
            assert 0.0 <= low <= value <= high <= 100.0
    loss = next(row for row in view.rows if row.name == "log loss")
    assert loss.bar is not None
    assert loss.bar[0] > 50.0, "the whole interval is on the side of the first version"


def test_an_interval_with_no_end_yet_is_said_to_be_unknown(archive):
    few = measure(Question(archive=str(archive), model="conversion", versions=("3", "9")))
    assert isinstance(few, MeasuredComparison)
    view = describe_comparison(few)
    assert (few.rows, view.rows, view.seen) == (0, (), "")
    assert view.sentence == "No difference seen yet: no outcome of a pair is known."
    assert view.advice.startswith("Continue: nothing is decided yet. Too few outcomes: 0 sessions")
    assert view.advice.endswith(".")


def test_a_better_version_whose_level_is_wrong_is_described_once(compared):
    reason = f"{compared.sentence} But its mean score is 0.5 from the mean outcome."
    view = describe_comparison(msgspec.structs.replace(compared, action="continue", reason=reason))
    assert view.advice == "Continue: nothing is decided yet. But its mean score is 0.5 from the mean outcome."
    assert as_sentence("conversion/4 is worse") == "conversion/4 is worse."
    assert as_sentence("too few outcomes") == "Too few outcomes."


def test_calibration_shows_the_version_that_promises_too_much(calibrated):
    view = describe_calibration(calibrated, ["3", "4"])
    guesses, knows = view.versions
    assert (guesses.version, knows.version) == ("4", "3")
    assert guesses.sessions + knows.sessions == 300
    assert guesses.mean_score is not None
    assert guesses.mean_outcome is not None
    assert guesses.mean_score - guesses.mean_outcome > 0.15
    assert "too high in" in guesses.says
    assert guesses.chart is not None
    happened, right, low, high = (list(series.values) for series in guesses.chart.series)
    assert right == sorted(right) == list(guesses.chart.x)
    assert all(bottom <= value <= top for bottom, value, top in zip(low, happened, high, strict=True))
    assert view.chart is not None
    assert len(view.chart.x) == len({day.day for day in calibrated.days})


def test_a_version_whose_outcomes_are_not_known_says_so(calibrated):
    scores = msgspec.structs.replace(calibrated.versions[0], sessions=0, waiting=7, bins=())
    view = describe_calibration(msgspec.structs.replace(calibrated, versions=(scores,), days=()), ["3"])
    (version,) = view.versions
    assert (version.says, version.chart, version.mean_score) == ("No outcome of its scores is known yet.", None, None)
    assert view.chart is None


def test_what_the_archive_does_not_allow_is_said(tmp_path):
    absent = measure(Question(archive=str(tmp_path / "none"), model="conversion", versions=("3", "4")))
    assert isinstance(absent, Failure)
    assert str(tmp_path / "none") in absent.message
    odd = measure(Question(archive=str(tmp_path), model="conversion", target="happiness"))
    assert isinstance(odd, Failure)
    assert "target: expected one of" in odd.message


def test_what_is_not_installed_is_named_with_its_extra(archive, monkeypatch):
    monkeypatch.setitem(sys.modules, "presage_training.verdicts.versions", None)
    found = measure(Question(archive=str(archive), model="conversion", versions=("3", "4")))
    assert isinstance(found, Failure)
    assert found.message.endswith("is not installed here; pip install 'presage-scoring[train]' adds it")


def test_versions_that_predict_different_things_are_not_compared(tmp_path):
    details = {"3": a_version("3"), "4": a_version("4", training_data={"target": "purchase-within:7"})}
    with pytest.raises(SourceError, match="purchase-in-session and purchase-within:7"):
        comparison_question(tmp_path, a_model(), ("3", "4"), details)
    details["4"] = a_version("4", training_data={})
    asked = comparison_question(tmp_path, a_model(), ("3", "4"), details)
    assert (asked.target, asked.ranks, asked.alpha) == ("purchase-in-session", False, 0.05)
    ranks = comparison_question(
        tmp_path,
        a_model(kind=ModelKind.RANKING),
        ("3", "4"),
        {"4": a_version("4", training_data={"question": "next-item"})},
    )
    assert (ranks.target, ranks.ranks, ranks.log_question) == ("", True, "next-item")


def test_what_is_tried_is_compared_with_the_champion_unless_asked_otherwise():
    tried = a_model("1", "3", "4", of=aliases(challenger="1", challenger_share=0.1))
    assert usual_pair(tried, comparable_versions(tried)) == ("3", "1")
    shadowed = a_model("1", "3", "4", of=aliases(shadow="1"))
    assert usual_pair(shadowed, comparable_versions(shadowed)) == ("3", "1")
    newest = a_model("1", "3", "4", of=aliases(prior="1"))
    assert usual_pair(newest, comparable_versions(newest)) == ("3", "4")
    broken = a_model("1", "3", "4", of=aliases(prior="1"), rejected="4")
    assert usual_pair(broken, comparable_versions(broken)) is None
    assert usual_pair(a_model("3"), ("3",)) is None


@pytest.mark.slow
async def test_a_process_of_its_own_measures_the_same(archive, compared):
    assert await measure_in_process(Question(archive=str(archive), model="conversion", versions=("3", "4"))) == compared
