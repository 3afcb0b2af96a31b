"""Results as a self-contained HTML page: no script, no font, no image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from presage_training.report.charts import bar_chart, histogram_chart, line_chart
from presage_training.report.metrics import Metric
from presage_training.report.results import ModelResult, Results
from presage_training.times import format_time

__all__ = ["format_metric", "render_page"]

_MAX_FEATURES = 20
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; } h3 { font-size: 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #eee; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
td.words { text-align: left; white-space: normal; }
tr.baseline td { color: #666; font-style: italic; }
small { color: #666; } .warning { color: #a33; } .charts { display: flex; flex-wrap: wrap; gap: 1.5rem; }
svg { max-width: 100%; } svg text { font: 11px system-ui, sans-serif; fill: #333; }
svg .grid { stroke: #e4e4e4; } svg .guide { stroke: #999; stroke-dasharray: 4 4; }
figure { margin: 0; } figcaption { font-weight: 600; }
"""


def render_page(results: Results) -> str:
    """Render a page; the same results give the same text."""
    sections = [
        _header(results),
        _metrics(results),
        _curves(results),
        _distributions(results),
        _importance(results),
        _slices(results),
        _data(results),
        _checks(results),
        _timing(results),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(results.name)}</title><style>{_STYLE}</style></head>\n<body>\n"
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
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


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
                escape(model.label),
                *(_cell(model.metrics[name]) for name in names),
                _cell(model.ahead) if model.ahead else "",
            ],
            "baseline" if model.is_baseline else "",
        )
        for model in results.models
    ]
    threshold = (
        "the threshold that gave the best F1 on rows between those of training and test"
        if "tune" in results.data.parts
        else "the threshold of its training, 0.5 if it has none; those of a baseline at the best for these rows"
    )
    note = (
        f"In brackets: 95 % intervals of {results.draws} draws of visitors with replacement. Italic: baselines. Accuracy, "
        f"precision and recall of a model are at {threshold}."
    )
    return f"<h2>Metrics</h2>{_table(heads, rows)}<p><small>{note}</small></p>"


def _cell(metric: Metric) -> str:
    if metric.value is None:
        return "-"
    return f"{_number(metric.value)}<br><small>({_number(metric.low)} to {_number(metric.high)})</small>"


def _curves(results: Results) -> str:
    models = [model for model in results.models if model.roc]
    if not models:
        return ""
    prevalence = _measured_part(results)
    charts = [
        ("ROC", "roc", "false positive rate", "true positive rate", True, None, False),
        ("Precision and recall", "precision_recall", "recall", "precision", False, prevalence, False),
        ("Calibration, by tenths of the rows", "calibration", "mean score", "share of positives", True, None, True),
    ]
    figures = []
    for title, field, x_label, y_label, diagonal, level, dots in charts:
        curves = {model.label: getattr(model, field) for model in models}
        svg = line_chart(title, curves, x_label=x_label, y_label=y_label, diagonal=diagonal, level=level, dots=dots)
        figures.append(_figure(title, svg))
    return f'<h2>Curves</h2><div class="charts">{"".join(figures)}</div>'


def _measured_part(results: Results) -> float:
    """Return the class balance of the measured rows, the last part."""
    return list(results.data.parts.values())[-1].mean_label


def _distributions(results: Results) -> str:
    figures = [
        _figure(model.kind, histogram_chart(f"scores of {model.kind}", model.histogram))
        for model in results.models
        if model.histogram is not None and not model.is_baseline
    ]
    return f'<h2>Score distributions</h2><div class="charts">{"".join(figures)}</div>' if figures else ""


def _importance(results: Results) -> str:
    def charts(title: str, pick: Callable[[ModelResult], Mapping[str, float] | None], *, percent: bool) -> str:
        figures = [
            _figure(
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
        text += f"{_table(['slice', 'rows', 'positives', *names], rows)}</details>"
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
    return f"<h2>Data</h2>{_table(['log', ''], [(list(fact), '') for fact in facts])}<p></p>{_table(heads, parts)}"


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
    text = f"<h2>Timing</h2>{_table(['step', ''], rows)}" if rows else ""
    return text + (f"<h2>Export</h2><ul>{exports}</ul>" if exports else "")


def _table(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], str]]) -> str:
    """Render a table of HTML cells, each row with or without a class."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr{f' class={name!r}' if name else ''}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for cells, name in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"
