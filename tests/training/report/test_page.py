from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from training.logs import shop

from presage_training.datasets.dataset import purchase_in_session
from presage_training.datasets.leakage import LeakageWarning
from presage_training.report import DataFacts, Metric, Resamples, Results, encode_results, measure_model
from presage_training.report.curves import calibration_curve, histogram, precision_recall_curve, roc_curve
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


@pytest.fixture(scope="module")
def rare(results):
    """Results where one row in a hundred is positive."""
    random = np.random.default_rng(2)
    scores = random.beta(1.0, 99.0, 8_000)
    labels = random.random(len(scores)) < scores
    model = replace(
        results.models[0],
        roc=roc_curve(labels, scores),
        precision_recall=precision_recall_curve(labels, scores),
        calibration=calibration_curve(labels, scores),
        histogram=histogram(labels, scores),
    )
    part = replace(results.data.parts["all"], mean_label=float(labels.mean()))
    return replace(results, models=[model], data=replace(results.data, parts={"all": part}))


def charts_of(results) -> dict[str, ET.Element]:
    charts = re.findall(r"<svg.*?</svg>", render_page(results), re.DOTALL)
    return {chart.attrib["aria-label"]: chart for chart in map(ET.fromstring, charts)}


def reach(chart: ET.Element) -> tuple[float, float]:
    """Return how wide and how high the curves of a chart are, as shares of its frame."""
    places = [
        tuple(map(float, point.split(",")))
        for line in chart.iter("polyline")
        for point in line.attrib["points"].split()
    ]
    (left, right), (top, bottom) = ((min(ends), max(ends)) for ends in zip(*places, strict=True))
    return (right - left) / 362, (bottom - top) / 268


@pytest.mark.parametrize(
    ("title", "labels"),
    [
        ("Calibration, by tenths of the rows", ("mean score", "share of positives")),
        ("Precision and recall", ("precision",)),
    ],
)
def test_rare_outcomes_fill_their_charts(rare, title, labels):
    chart = charts_of(rare)[title]
    texts = [text.text for text in chart.iter("text")]

    for label in labels:
        (found,) = [text for text in texts if text.startswith(f"{label} (zoomed: 0 to 0.0")]
        assert found.endswith(")")
    width, height = reach(chart)
    assert width > 0.6
    assert height > 0.5


def test_the_scores_of_rare_outcomes_fill_their_chart(rare):
    (chart,) = [chart for title, chart in charts_of(rare).items() if title.startswith("scores of")]
    heights = [float(bar.attrib["height"]) for bar in chart.iter("rect") if bar.attrib["width"] != "10"]

    assert any(text.text.startswith("score (zoomed: 0 to 0.0") for text in chart.iter("text"))
    assert sum(height > 1.0 for height in heights) > 30
    assert "% of the rows that are beyond the axis." in render_page(rare)


def test_charts_of_data_from_0_to_1_are_not_zoomed(results):
    wide = np.linspace(0.0, 1.0, 400)
    labels = wide > np.random.default_rng(3).random(400)
    model = replace(
        results.models[0],
        precision_recall=precision_recall_curve(labels, wide),
        calibration=calibration_curve(labels, wide),
        histogram=histogram(labels, wide),
    )
    charts = charts_of(replace(results, models=[model]))

    for title in ("ROC", "Precision and recall", "Calibration, by tenths of the rows"):
        texts = [text.text for text in charts[title].iter("text")]
        assert not any("zoomed" in text for text in texts)
        assert [text for text in texts if text in {"0", "0.25", "0.5", "0.75", "1"}] == [
            "0",
            "0.25",
            "0.5",
            "0.75",
            "1",
        ] * 2


def test_tables_fit_the_page(results):
    """Their cells break, and on a narrow screen each row is a block whose cells name their columns."""
    page = render_page(results)

    assert "nowrap" not in page
    assert "overflow-x" not in page
    assert "<th>lift_<wbr>at_<wbr>10_<wbr>percent</th>" in page
    assert '<td data-head="lift_at_10_percent">' in page
    assert "@media (max-width: 900px)" in page


def test_figures_are_shown_with_their_intervals(results):
    page = render_page(results)
    metric = results.models[0].metrics["roc_auc"]

    assert f"{metric.value:.3f}<br><small>({metric.low:.3f} to&nbsp;{metric.high:.3f})</small>" in page
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
