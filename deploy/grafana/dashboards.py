"""``make dashboards`` writes the dashboards beside this file; Grafana imports them, or reads them from a provisioned folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableHide,
    VariableRefresh,
    VariableSort,
)

HERE = Path(__file__).resolve().parent
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_ALL = '{job=~"$job",instance=~"$instance"}'
_PERCENT, _PER_SECOND, _SECONDS, _BYTES, _NUMBER = "percentunit", "ops", "s", "bytes", "short"


def _of(metric: str, *labels: str) -> str:
    """Select a metric of the servers that are shown."""
    return f"{metric}{_ALL[:-1]}{''.join(f',{label}' for label in labels)}}}"


def _rate(metric: str, *labels: str) -> str:
    return f"rate({_of(metric, *labels)}[$__rate_interval])"


def _quantile(share: float, metric: str, by: str, *labels: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) ({_rate(f'{metric}_bucket', *labels)}))"


def _mean(metric: str, by: str) -> str:
    return f"sum by ({by}) ({_rate(f'{metric}_sum')}) / sum by ({by}) ({_rate(f'{metric}_count')})"


def _panel(
    title: str, meaning: str, unit: str, *queries: tuple[str, str], stacked: bool = False, wide: int = 8
) -> timeseries.Panel:
    """Make a chart.

    Args:
        title: What it is called.
        meaning: What it shows, and when to worry.
        unit: Of its axis.
        queries: Expressions, each with the name of its series.
        stacked: Whether the series add up to something.
        wide: Its width in columns; a row has 24.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(meaning)
        .datasource(_SOURCE)
        .unit(unit)
        .min(0)
        .height(8)
        .span(wide)
        .fill_opacity(10)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for letter, (expression, legend) in zip(ascii_uppercase, queries, strict=False):
        query = prometheus.Dataquery().datasource(_SOURCE).expr(expression).legend_format(legend)
        panel = panel.with_target(query.ref_id(letter))
    return panel


def _variable(name: str, label: str, values: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(_SOURCE)
        .query(values)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
    )


def _empty(title: str, uid: str, description: str) -> dashboard.Dashboard:
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["presage"])
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource")
            .label("Prometheus")
            .type("prometheus")
            .hide(VariableHide.DONT_HIDE)
        )
        .with_variable(_variable("job", "job", "label_values(presage_build_info, job)"))
        .with_variable(_variable("instance", "server", 'label_values(presage_build_info{job=~"$job"}, instance)'))
    )


def serving() -> dashboard.Dashboard:
    """Make the dashboard of calls: objectives, latencies, events, the store, the process."""
    calls, seconds = "grpc_server_handled_total", "grpc_server_handling_seconds"
    return (
        _empty("Presage: serving", "presage-serving", "Calls, latencies, events, the store and the processes.")
        .with_row(dashboard.Row("Objectives"))
        .with_panel(
            _panel(
                "Errors of each objective, 1 h",
                "Needs rules.yml. A budget is the share that may miss over 30 days; an alert fires at 14.4 times of it.",
                _PERCENT,
                ('presage:slo_errors:ratio_rate1h{job=~"$job"}', "{{job}} {{slo}}"),
                ("presage:slo_budget", "budget of {{slo}}"),
                wide=12,
            )
        )
        .with_panel(
            _panel(
                "Servers that answer",
                "Scraped servers, and workers that serve.",
                _NUMBER,
                (f"sum(up{_ALL})", "servers"),
                (f"sum({_of('presage_workers')})", "workers"),
                wide=12,
            )
        )
        .with_row(dashboard.Row("Calls"))
        .with_panel(
            _panel(
                "Calls",
                "By method.",
                _PER_SECOND,
                (f"sum by (grpc_method) ({_rate(calls)})", "{{grpc_method}}"),
            )
        )
        .with_panel(
            _panel(
                "Calls that failed",
                "By status. RESOURCE_EXHAUSTED: rejected, as they could not be answered in time. UNAVAILABLE: the store.",
                _PER_SECOND,
                (f"""sum by (grpc_code) ({_rate(calls, 'grpc_code!="OK"')})""", "{{grpc_code}}"),
            )
        )
        .with_panel(
            _panel(
                "Latency",
                "From the arrival of a call to its reply, in the server.",
                _SECONDS,
                (_quantile(0.5, seconds, "grpc_method"), "{{grpc_method}} p50"),
                (_quantile(0.99, seconds, "grpc_method"), "{{grpc_method}} p99"),
            )
        )
        .with_panel(
            _panel(
                "Where the time goes",
                "Mean time of a call in each stage.",
                _SECONDS,
                (_mean("presage_stage_seconds", "stage"), "{{stage}}"),
                stacked=True,
            )
        )
        .with_panel(
            _panel(
                "Scores",
                "By what was known of the visitor. Unreadable: degraded, as the store did not answer, or the state is damaged.",
                _PER_SECOND,
                (f"sum by (history) ({_rate('presage_scores_total')})", "{{history}}"),
                stacked=True,
            )
        )
        .with_panel(
            _panel(
                "Events",
                "By outcome. Refused: by the store, or for lack of time.",
                _PER_SECOND,
                (f"sum by (outcome) ({_rate('presage_events_total')})", "{{outcome}}"),
                stacked=True,
            )
        )
        .with_row(dashboard.Row("Store"))
        .with_panel(
            _panel(
                "Trouble",
                "1 while the store is in this kind of trouble; operate.md says what each means.",
                _NUMBER,
                (f"max by (kind) ({_of('presage_store_trouble')})", "{{kind}}"),
            )
        )
        .with_panel(
            _panel(
                "Rejected commands",
                "Of the store, by kind of trouble; and compare-and-sets lost to another server, which are tried again.",
                _PER_SECOND,
                (f"sum by (kind) ({_rate('presage_store_rejections_total')})", "{{kind}}"),
                (f"sum({_rate('presage_store_conflicts_total')})", "conflicts"),
            )
        )
        .with_panel(
            _panel(
                "Time in the store",
                "Of a batch of calls.",
                _SECONDS,
                (_quantile(0.5, "presage_stage_seconds", "stage", 'stage="store"'), "p50"),
                (_quantile(0.99, "presage_stage_seconds", "stage", 'stage="store"'), "p99"),
            )
        )
        .with_row(dashboard.Row("Processes"))
        .with_panel(
            _panel(
                "Processor",
                "Cores in use. One process takes one for Python, and a part of another with the native transport.",
                _NUMBER,
                (f"sum by (instance) ({_rate('process_cpu_seconds_total')})", "{{instance}}"),
            )
        )
        .with_panel(
            _panel(
                "Memory",
                "Resident, of the serving processes.",
                _BYTES,
                (f"sum by (instance) ({_of('process_resident_memory_bytes')})", "{{instance}}"),
            )
        )
        .with_panel(
            _panel(
                "Pauses",
                "How late the event loop is, and how long the garbage collector stops everything: p99.",
                _SECONDS,
                (_quantile(0.99, "presage_event_loop_lag_seconds", "instance"), "{{instance}} loop"),
                (_quantile(0.99, "presage_gc_pause_seconds", "instance"), "{{instance}} collector"),
            )
        )
        .with_panel(
            _panel(
                "File descriptors",
                "Each connection takes one.",
                _NUMBER,
                (f"sum by (instance) ({_of('process_open_fds')})", "{{instance}}"),
                (f"min by (instance) ({_of('process_max_fds')})", "{{instance}} limit"),
            )
        )
        .with_panel(
            _panel(
                "Restarts and clocks",
                "Workers that were started again; jumps of the clock; events that met a state from the future.",
                _NUMBER,
                (f"sum(increase({_of('presage_worker_restarts_total')}[$__rate_interval]))", "workers restarted"),
                (f"sum(increase({_of('presage_clock_jumps_total')}[$__rate_interval]))", "clock jumps"),
                (f"sum(increase({_of('presage_states_ahead_total')}[$__rate_interval]))", "states ahead"),
                (f"sum(increase({_of('presage_unreadable_states_total')}[$__rate_interval]))", "unreadable states"),
            )
        )
        .with_panel(
            _panel(
                "Traced calls",
                "Dropped: more are traced than can be sent.",
                _PER_SECOND,
                (f"sum by (outcome) ({_rate('presage_traced_calls_total')})", "{{outcome}}"),
            )
        )
    )


def models() -> dashboard.Dashboard:
    """Make the dashboard of what is served: versions, rankings, items, the event log."""
    of_version = "{{model}} {{version}} {{arm}}"
    by_version = "sum by (model, version, arm)"
    scores = f"{by_version} ({_rate('presage_version_scores_total')})"
    return (
        _empty(
            "Presage: models",
            "presage-models",
            "Which versions serve, and what they do; rankings, items and the event log.",
        )
        .with_row(dashboard.Row("Versions"))
        .with_panel(
            _panel(
                "What serves",
                "Servers and workers that serve each version. During a change two versions are there for a moment.",
                _NUMBER,
                (f"sum by (model, model_version) ({_of('presage_build_info')})", "{{model}} {{model_version}}"),
            )
        )
        .with_panel(_panel("Scores of each version", "By the arm of the visitor.", _PER_SECOND, (scores, of_version)))
        .with_panel(
            _panel(
                "Mean score",
                "A change without a new version is worth a look: see watch-for-drift.md.",
                _NUMBER,
                (f"{by_version} ({_rate('presage_version_score_sum_total')}) / {scores}", of_version),
            )
        )
        .with_panel(
            _panel(
                "Errors and degraded scores",
                "Of each version; the guard rolls a challenger back that has more than the champion.",
                _PER_SECOND,
                (f"{by_version} ({_rate('presage_version_errors_total')})", f"{of_version} errors"),
                (f"{by_version} ({_rate('presage_version_degraded_total')})", f"{of_version} degraded"),
            )
        )
        .with_panel(
            _panel(
                "Time of a run",
                "The model alone, of any number of rows.",
                _SECONDS,
                (_quantile(0.99, "presage_version_run_seconds", "model, version"), "{{model}} {{version}} p99"),
            )
        )
        .with_panel(
            _panel(
                "Changes and problems",
                "Versions that cannot be served, changes by outcome, rollbacks.",
                _NUMBER,
                (
                    f"max by (model, model_version) ({_of('presage_model_problem')})",
                    "{{model}} {{model_version}} problem",
                ),
                (
                    f"sum by (outcome) (increase({_of('presage_model_reloads_total')}[$__rate_interval]))",
                    "changes {{outcome}}",
                ),
                (
                    f"sum by (model) (increase({_of('presage_rollbacks_total')}[$__rate_interval]))",
                    "{{model}} rollbacks",
                ),
            )
        )
        .with_row(dashboard.Row("Rankings and items"))
        .with_panel(
            _panel(
                "Rankings",
                "By what was known of the visitor.",
                _PER_SECOND,
                (f"sum by (history) ({_rate('presage_rankings_total')})", "{{history}}"),
                stacked=True,
            )
        )
        .with_panel(
            _panel(
                "Candidates",
                "Of a ranking, by who found them: median.",
                _NUMBER,
                (_quantile(0.5, "presage_candidates", "found_by"), "{{found_by}}"),
            )
        )
        .with_panel(
            _panel(
                "Items",
                "Known to each server, and how old their statistics are.",
                _NUMBER,
                (f"sum by (instance) ({_of('presage_items')})", "{{instance}} items"),
                (f"time() - {_of('presage_items_counted_until_seconds')}", "{{instance}} seconds old"),
            )
        )
        .with_row(dashboard.Row("Event log"))
        .with_panel(
            _panel(
                "Sampled vectors",
                "Served vectors that were to be logged, by outcome.",
                _PER_SECOND,
                (f"sum by (outcome, reason) ({_rate('presage_sampled_vectors_total')})", "{{outcome}} {{reason}}"),
            )
        )
        .with_panel(
            _panel(
                "Exposures",
                "Ranked lists that were to be logged, by outcome.",
                _PER_SECOND,
                (f"sum by (outcome, reason) ({_rate('presage_exposures_total')})", "{{outcome}} {{reason}}"),
            )
        )
        .with_panel(
            _panel(
                "Pairs",
                "Scores that were made with other versions, too, by outcome.",
                _PER_SECOND,
                (f"sum by (outcome, reason) ({_rate('presage_pairs_total')})", "{{outcome}} {{reason}}"),
            )
        )
    )


def texts() -> dict[str, str]:
    """Write each dashboard as JSON, by the name of its file."""
    made = {"presage-serving.json": serving(), "presage-models.json": models()}
    return {
        name: json.dumps(builder.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for name, builder in made.items()
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")
