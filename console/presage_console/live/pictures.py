"""The charts of the page Live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Final

from presage_console.charts import Chart, Marker, Series
from presage_console.formats import number
from presage_console.live.distribution import Distribution
from presage_console.live.readings import Point
from presage_console.live.tables import LIMIT_SECONDS

__all__ = [
    "calls_chart",
    "histories_chart",
    "latency_histogram",
    "quantiles_chart",
    "score_charts",
    "stages_chart",
    "trouble_chart",
]

_MOST_METHODS: Final = 5
_MOST_SCORE_CHARTS: Final = 4
_STAGES: Final = ("queue", "decode", "store", "fold", "featurize", "model", "encode")
"""In the order of a call; a stage that is not here comes last."""


def calls_chart(points: Sequence[Point]) -> Chart:
    """Draw the calls per second of the busiest methods."""
    totals: dict[str, float] = {}
    for point in points:
        for method, count in point.calls.items():
            totals[method] = totals.get(method, 0.0) + count
    busiest = sorted((method for method in totals if totals[method]), key=lambda method: (-totals[method], method))
    shown, others = busiest[:_MOST_METHODS], busiest[_MOST_METHODS:]
    series = [_rates(points, method, lambda point, of=method: point.calls.get(of, 0.0)) for method in shown]  # type: ignore[misc]
    if others:
        series.append(_rates(points, "others", lambda point: sum(point.calls.get(of, 0.0) for of in others)))
    if not series:
        series = [_rates(points, "all methods", lambda point: sum(point.calls.values()))]
    return _over_time("Calls", points, series)


def trouble_chart(points: Sequence[Point]) -> Chart:
    """Draw the calls per second that were rejected or failed, and the scores that were degraded."""
    return _over_time(
        "Rejected, failed, degraded",
        points,
        [
            _rates(points, "rejected", lambda point: point.rejected),
            _rates(points, "failed", lambda point: point.failed),
            _rates(points, "degraded", lambda point: point.histories.get("unreadable", 0.0)),
        ],
        note="Rejected: there was no time to answer. Degraded: scored without a history that could not be read.",
    )


def histories_chart(points: Sequence[Point]) -> Chart:
    """Draw the scores and lists per second by what was known of the visitor."""
    return _over_time(
        "Visitors, by what is known of them",
        points,
        [
            _rates(points, "known", lambda point: point.histories.get("known", 0.0)),
            _rates(points, "cold start", lambda point: point.histories.get("none", 0.0)),
        ],
        note="Cold start: a visitor without any history.",
    )


def quantiles_chart(points: Sequence[Point], method: str) -> Chart:
    """Draw the median and the 99th percentile of the time that calls of a method took."""

    def of(share: float) -> list[float | None]:
        found = [point.latencies[method].quantile(share) if method in point.latencies else None for point in points]
        return [None if one is None else one.value * 1e3 for one in found]

    limit = Marker(at=LIMIT_SECONDS * 1e3, label="1 ms", axis="y")
    series = [Series(name="p50", values=of(0.5), unit="ms"), Series(name="p99", values=of(0.99), unit="ms")]
    return _over_time(f"{method}: latency in the server", points, series, markers=[limit], is_log=True)


def latency_histogram(method: str, latency: Distribution, window: str) -> Chart:
    """Draw how long calls of a method took, with the line of 1 ms; classes at the far end without calls are left out."""
    used = [place for place, count in enumerate(latency.counts) if count]
    limit = next((place for place, edge in enumerate(latency.edges) if edge >= LIMIT_SECONDS), 0)
    shown = range(max([limit + 2, *(place + 1 for place in used)])) if used else range(0)
    shown = range(min(len(shown), len(latency.edges)))
    labels = _labels([edge * 1e3 for edge in latency.edges], "\N{LESS-THAN OR EQUAL TO}")
    within = latency.share_up_to(LIMIT_SECONDS)
    return Chart(
        title=f"{method}: time in the server, {window}",
        x_name="at most, in ms",
        x=[labels[place] for place in shown],
        series=[Series(name="share of the calls", values=_shares(latency, shown), unit="%")],
        kind="bars",
        markers=[Marker(at=limit + 1, label="1 ms")],
        note="" if within is None else f"Of {latency.total:,.0f} in all, {within:.2%} within 1 ms.".replace("%", " %"),
    )


def score_charts(point: Point, window: str) -> list[Chart]:
    """Draw the scores of each version, between the edges that a tenth of its training's scores lay between."""
    charts = []
    for (model, version), scores in sorted(point.scores.items()):
        used = [place for place, count in enumerate(scores.counts) if count]
        if not used:
            continue
        shown = range(used[0], used[-1] + 1)
        labels = _labels(scores.edges, "<")
        charts.append(
            Chart(
                title=f"Scores of {model} {version}, {window}",
                x_name="score below",
                x=[labels[place] for place in shown],
                series=[Series(name="share of the scores", values=_shares(scores, shown), unit="%")],
                kind="bars",
                note=f"{scores.total:,.0f} were counted. In training, about a tenth lay in most of these classes.",
            )
        )
    return charts[:_MOST_SCORE_CHARTS]


def stages_chart(point: Point, window: str) -> Chart:
    """Draw the median time that calls spent in each stage."""
    names = [*(name for name in _STAGES if name in point.stages), *sorted(point.stages.keys() - set(_STAGES))]
    found = {name: point.stages[name].quantile(0.5) for name in names}
    medians = {name: one.value * 1e6 for name, one in found.items() if one is not None}
    return Chart(
        title=f"Where the time goes, {window}",
        x_name="stage",
        x=list(medians),
        series=[Series(name="median", values=list(medians.values()), unit="µs")],
        kind="rows",
        note="Of the batch that a call was in.",
    )


def _rates(points: Sequence[Point], name: str, count: Callable[[Point], float]) -> Series:
    return Series(name=name, values=[point.rate(count) for point in points], unit="/s")


def _over_time(
    title: str,
    points: Sequence[Point],
    series: Sequence[Series],
    *,
    markers: Sequence[Marker] = (),
    note: str = "",
    is_log: bool = False,
) -> Chart:
    """Draw lines over the time; there is nothing to draw before something was counted."""
    counted = any(point.seconds for point in points)
    return Chart(
        title=title,
        x_name="time (UTC)",
        x=[point.unix_micros / 1e6 for point in points] if counted else [],
        series=series if counted else [Series(name=one.name, values=[], unit=one.unit) for one in series],
        x_is_time=True,
        y_low=None if is_log else 0.0,
        y_log=is_log,
        markers=markers,
        note=note,
    )


def _shares(distribution: Distribution, shown: range) -> list[float | None]:
    return [distribution.counts[place] / distribution.total for place in shown]


def _labels(edges: Sequence[float], sign: str) -> list[str]:
    """Name classes by their upper ends, which are short enough to stand below a column."""
    named = [f"{sign} {number(edge, 2)}" for edge in edges if isfinite(edge)]
    return [*named, f"> {number(edges[-2], 2)}" if len(edges) > 1 else "any"]
