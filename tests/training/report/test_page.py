from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest
from training.logs import shop

from presage_training.datasets.dataset import purchase_in_session
from presage_training.datasets.leakage import LeakageWarning
from presage_training.report import DataFacts, Metric, Resamples, Results, encode_results, measure_model
from presage_training.report.page import format_metric, render_page
from presage_training.report.results import Check, facts_of_part

NASTY = "<script>alert('&')</script>"


@pytest.fixture(scope="module")
def results():
    """Results of a made-up model whose log, kind and warning look like markup."""
    dataset = purchase_in_session(shop(visitors=150))
    resamples = Resamples(labels=dataset.labels, visitors=dataset.visitors, seed=0, draws=100)
    scores = dataset.features[:, 7] / dataset.features[:, 7].max() * 0.9
    model = measure_model(
        f"model {NASTY}",
        dataset,
        scores.astype(float),
        resamples,
        gain={"a <b>": 0.7, "c": 0.3},
        permutation={"a <b>": 0.1, "c": -0.001},
        seconds={"training": 1.5},
    )
    return Results(
        name=NASTY,
        seed=0,
        draws=100,
        data=DataFacts(
            source=NASTY,
            target=dataset.target,
            decisions="every-event",
            feature_set="conversion",
            features=dataset.feature_set.features,
            time_zone="UTC",
            log=dataset.log,
            skipped={NASTY: 3},
            parts={"all": facts_of_part(dataset)},
            split="Not at all.",
        ),
        models=[model.result],
        baseline=None,
        checks=[
            Check(name="lone-feature", warnings=[LeakageWarning(name="lone-feature", message=NASTY, roc_auc=0.99)]),
            Check(name="early-prefixes", warnings=[]),
        ],
        remarks=[NASTY],
    )


def test_nothing_of_a_log_becomes_markup(results):
    page = render_page(results)

    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6


def test_every_chart_is_well_formed(results):
    charts = re.findall(r"<svg.*?</svg>", render_page(results), re.DOTALL)

    # ROC, precision and recall, calibration, scores, and two of importance.
    assert len(charts) == 6
    for chart in charts:
        assert ET.fromstring(chart).attrib["aria-label"]


def test_figures_are_shown_with_their_intervals(results):
    page = render_page(results)
    metric = results.models[0].metrics["roc_auc"]

    assert f"{metric.value:.3f}<br><small>({metric.low:.3f} to {metric.high:.3f})</small>" in page
    assert "early-prefixes</b>: nothing found" in page


def test_the_same_results_give_the_same_page_and_data(results):
    assert render_page(results) == render_page(results)
    data = json.loads(encode_results(results))
    assert data["models"][0]["metrics"]["roc_auc"]["value"] == results.models[0].metrics["roc_auc"].value
    assert data["data"]["skipped"] == {NASTY: 3}


def test_a_figure_is_said_shortly():
    metric = Metric(value=0.79712, low=0.77, high=0.8191)

    assert format_metric(metric) == "0.797 (0.770 to 0.819)"
    assert format_metric(metric, interval=False) == "0.797"
    assert format_metric(Metric(value=None, low=None, high=None)) == "-"
    assert format_metric(None) == "-"
    assert format_metric(Metric(value=1234.56, low=1200.0, high=1300.0)) == "1,234.6 (1,200.0 to 1,300.0)"
