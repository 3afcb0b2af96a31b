"""Results as a self-contained HTML page: no script, no font, no image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from presage_training.report.axes import Axis
from presage_training.report.charts import bar_chart, histogram_chart, line_chart
from presage_training.report.markup import STYLE, breakable, figure, table
from presage_training.report.metrics import Metric
from presage_training.report.results import ModelResult, Results
from presage_training.times import format_time

__all__ = ["format_metric", "render_page"]

_MAX_FEATURES = 20
_LOW_RECALL = 0.05


def render_page(results: Results) -> str:
    """Render a page; the same results give the same text."""
    sections = [
        _header(results),
        _metrics(results),
        _curves(results),
        _distributions(results),
        _importance(results),
        _explanations(results),
        _slices(results),
        _data(results),
        _checks(results),
        _timing(results),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(results.name)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def format_metric(metric: Metric | None, *, interval: bool = True) -> str:
    """Format a value and its interval, as ``0.797 (0.784 to 0.809)``; a dash if undefined."""
    if metric is None or metric.value is None:
        return "-"
    value = _number(metric.value)
    return f"{value} ({_number(metric.low)} to {_number(metric.high)})" if interval else value


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:z.3f}" if abs(value) < 100 else f"{value:,.1f}"


def _header(results: Results) -> str:
    data = results.data
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in results.remarks)
    return (
        f"<h1>{escape(results.name)}</h1><p>Target <b>{escape(data.target)}</b>, predicted at {escape(data.decisions)}, from the "
        f"{len(data.features)} features of <b>{escape(data.feature_set)}</b>, of {escape(data.source)}. {escape(data.split)}</p>"
        + (f"<ul>{remarks}</ul>" if remarks else "")
    )


def _metrics(results: Results) -> str:
    names = list(results.models[0].metrics) if results.models else []
    skill = "ROC-AUC" if "roc_auc" in names else "R2"
    heads = ["model", *names, f"{skill} above {results.baseline}" if results.baseline else ""]
    rows = [
        (
            [
                breakable(model.label),
                *(_cell(model.metrics[name]) for name in names),
                _cell(model.ahead) if model.ahead else "",
            ],
            "baseline" if model.is_baseline else "",
        )
        for model in results.models
    ]
    note = f"In brackets: 95 % intervals of {results.draws} draws of visitors with replacement. Italic: baselines."
    if results.data.thresholds:
        note += f" Accuracy, precision and recall are at {escape(results.data.thresholds)}."
    return f"<h2>Metrics</h2>{table(heads, rows)}<p><small>{note}</small></p>"


def _cell(metric: Metric) -> str:
    if metric.value is None:
        return "-"
    return f"{_number(metric.value)}<br><small>({_number(metric.low)} to&nbsp;{_number(metric.high)})</small>"


def _curves(results: Results) -> str:
    models = [model for model in results.models if model.roc]
    if not models:
        return ""
    figures = [_roc(models), _precision_recall(models, _measured_part(results)), _calibration(models)]
    return f'<h2>Curves</h2><div class="charts">{"".join(figures)}</div>'


def _roc(models: Sequence[ModelResult]) -> str:
    curves = {model.label: model.roc for model in models}
    svg = line_chart("ROC", curves, x_label="false positive rate", y_label="true positive rate", diagonal=True)
    return figure("ROC", svg)


def _precision_recall(models: Sequence[ModelResult], prevalence: float) -> str:
    title = "Precision and recall"
    curves = {model.label: model.precision_recall for model in models}
    points = [point for curve in curves.values() for point in curve]
    # The precision of the first few rows is 0 or 1 by chance, and would set the scale.
    axis = Axis.around([prevalence, *(precision for recall, precision in points if recall >= _LOW_RECALL)])
    svg = line_chart(title, curves, x_label="recall", y_label="precision", y_axis=axis, level=prevalence)
    is_cut = any(not axis.first <= precision <= axis.last for _, precision in points)
    return figure(
        title, svg, f"Points beyond the axis, all at a recall below {_LOW_RECALL:g}, are not drawn." if is_cut else ""
    )


def _calibration(models: Sequence[ModelResult]) -> str:
    title = "Calibration, by tenths of the rows"
    curves = {model.label: model.calibration for model in models}
    axis = Axis.around([share for curve in curves.values() for point in curve for share in point])
    svg = line_chart(
        title,
        curves,
        x_label="mean score",
        y_label="share of positives",
        x_axis=axis,
        y_axis=axis,
        diagonal=True,
        dots=True,
    )
    return figure(title, svg)


def _measured_part(results: Results) -> float:
    """Return the class balance of the measured rows, the last part."""
    return list(results.data.parts.values())[-1].mean_label


def _distributions(results: Results) -> str:
    figures = [
        figure(
            model.kind,
            histogram_chart(f"scores of {model.kind}", model.histogram),
            f"The outermost bars count {100 * model.histogram.beyond:.2g} % of the rows that are beyond the axis."
            if model.histogram.beyond
            else "",
        )
        for model in results.models
        if model.histogram is not None and not model.is_baseline
    ]
    return f'<h2>Score distributions</h2><div class="charts">{"".join(figures)}</div>' if figures else ""


def _importance(results: Results) -> str:
    def charts(title: str, pick: Callable[[ModelResult], Mapping[str, float] | None], *, percent: bool) -> str:
        figures = [
            figure(
                model.kind, bar_chart(f"{title}: {model.kind}", list(found.items())[:_MAX_FEATURES], percent=percent)
            )
            for model in results.models
            if not model.is_baseline and (found := pick(model))
        ]
        return f'<h3>{title}</h3><div class="charts">{"".join(figures)}</div>' if figures else ""

    text = charts(
        "Loss of ROC-AUC (of R2, for amounts) when the feature's values are permuted",
        lambda model: model.permutation,
        percent=False,
    ) + charts("Share of the gain, or of the standardised coefficients", lambda model: model.gain, percent=True)
    return f"<h2>Importance</h2>{text}" if text else ""


def _explanations(results: Results) -> str:
    text = ""
    for model in results.models:
        if (found := model.explanations) is None:
            continue
        note = f"The mean magnitude of each feature's part of the margin, over {found.rows:,} rows; exact, by {found.method}."
        weights = list(found.mean_contribution.items())[:_MAX_FEATURES]
        chart = figure(model.kind, bar_chart(f"contributions: {model.kind}", weights, percent=False), note)
        rows = [
            ([row.place, f"{row.score:.3f}", f"{row.margin:+.2f}", "<br>".join(map(escape, row.reasons))], "")
            for row in found.examples
        ]
        examples = table(["score", "value", "margin", f"what adds to {found.base_margin:+.2f}"], rows)
        text += f'<div class="charts">{chart}</div>{examples}'
    return f"<h2>Explanations</h2>{text}" if text else ""


def _slices(results: Results) -> str:
    text = ""
    for model in results.models:
        if not model.slices:
            continue
        names = list(model.slices[0].metrics)
        rows = [
            (
                [
                    escape(f"{one.by}: {one.name}"),
                    f"{one.rows:,}",
                    f"{one.positives:,}",
                    *(_cell(one.metrics[name]) for name in names),
                ],
                "",
            )
            for one in model.slices
        ]
        text += f"<details{' open' if not text else ''}><summary>{escape(model.kind)}</summary>"
        text += f"{table(['slice', 'rows', 'positives', *names], rows)}</details>"
    return f"<h2>Slices</h2>{text}" if text else ""


def _data(results: Results) -> str:
    data = results.data
    log = data.log
    facts = [
        ("events", f"{log.events:,}"),
        ("duplicates among them", f"{log.duplicates:,}"),
        ("late within their visitor", f"{log.order.late_events:,} of {log.order.late_visitors:,} visitors"),
        ("visitors", f"{log.visitors:,}"),
        ("from", format_time(log.first_unix_micros)),
        ("until", format_time(log.last_unix_micros)),
        ("decision points", f"{log.decision_points:,}"),
        ("censored by the log's end", f"{log.censored:,}"),
        ("time zone", escape(data.time_zone)),
        *((f"skipped by the reader: {escape(reason)}", f"{count:,}") for reason, count in data.skipped.items()),
    ]
    parts = [
        (
            [
                name,
                f"{part.rows:,}",
                f"{part.visitors:,}",
                f"{part.positives:,}",
                _number(part.mean_label),
                format_time(part.first_unix_micros),
                format_time(part.last_unix_micros),
            ],
            "",
        )
        for name, part in data.parts.items()
    ]
    heads = ["part", "rows", "visitors", "positives", "mean label", "first decision", "last decision"]
    return f"<h2>Data</h2>{table(['log', ''], [(list(fact), '') for fact in facts])}<p></p>{table(heads, parts)}"


def _checks(results: Results) -> str:
    if not results.checks:
        return ""
    items = ""
    for check in results.checks:
        found = "; ".join(f'<span class="warning">{escape(warning.message)}</span>' for warning in check.warnings)
        items += f"<li><b>{escape(check.name)}</b>: {found or 'nothing found'}</li>"
    return f"<h2>Leakage checks</h2><ul>{items}</ul>"


def _timing(results: Results) -> str:
    rows = [([escape(name), f"{seconds:.2f} s"], "") for name, seconds in results.seconds.items()]
    rows += [
        ([escape(f"{model.kind}: {name}"), f"{seconds:.2f} s"], "")
        for model in results.models
        for name, seconds in model.seconds.items()
    ]
    exports = "".join(
        f"<li><b>{escape(model.kind)}</b>: {escape(model.export)}</li>" for model in results.models if model.export
    )
    text = f"<h2>Timing</h2>{table(['step', ''], rows)}" if rows else ""
    return text + (f"<h2>Export</h2><ul>{exports}</ul>" if exports else "")
