"""What models can predict on real logs: ``python -m benchmarks.proofs.train_real --to runs``.

Online Retail: at every order of a known customer, does another follow within 30 days? Split by time, every kind of model, and what
each group of features adds. REES46: at every event, does the session end in a purchase? The file holds less than three hours, so it
is cross-validated over visitors instead of split by time; with and without what knows of carts, early events apart.

Prints tables; with ``--to`` it also writes a folder for each log. Ends with 1 if the best model on Online Retail does not reach a
ROC-AUC of 0.79, or its lead over ranking by ``frequency`` alone may be chance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.feature_groups import CART_FEATURES, FEATURE_GROUPS, FUNNEL_FEATURES, without
from benchmarks.proofs.skew_proof import DATA
from presage_featurizer import BEHAVIOR, EventType
from presage_training.datasets.dataset import Dataset
from presage_training.datasets.leakage import LeakageWarning, lone_features
from presage_training.datasets.splits import grouped_folds
from presage_training.datasets.targets import PurchaseInSession, PurchaseWithin
from presage_training.experiment import (
    DEFAULT_KINDS,
    ExperimentOptions,
    LogFile,
    PredictionTask,
    cross_validate,
    read_dataset,
    split_parts,
    to_rows,
    train_on_log,
)
from presage_training.models import FitOptions, fit
from presage_training.readers import LogFormat, SkippedRows
from presage_training.replaying.decisions import AtTypes, EveryEvent
from presage_training.report import (
    DataFacts,
    MeasuredModel,
    Metric,
    MetricDraws,
    ModelResult,
    Resamples,
    Results,
    measure_model,
    write_results,
)
from presage_training.report.page import format_metric
from presage_training.report.results import Check, facts_of_part
from presage_training.report.tables import models_table
from presage_training.report.writing import arriving_folder

__all__ = ["main"]

ONLINE_RETAIL = DATA / "online_retail.parquet"
REES46 = DATA / "rees46_2019_10_01.parquet"
LEAST_ROC_AUC = 0.79

_LEFT_OUT: Mapping[str, frozenset[str]] = {
    " without cart features": CART_FEATURES,
    " without funnel features": FUNNEL_FEATURES,
}
_RETAIL_SET = replace(BEHAVIOR, time_zone="Europe/London")
_ABLATED = "xgboost-classifier"
_CROSS_VALIDATED = (
    "prevalence", "single-feature", "logistic-regression", "random-forest", "lightgbm-classifier", "xgboost-classifier",
)  # fmt: skip
_FOLDS = 5
_EARLY_EVENTS = 3
# In a log of hours, sessions that may go on past its end are most of all, and keeping only those of them that had their purchase
# would make purchases look common. So all are excluded, and 30 idle minutes, as a server counts, would exclude nearly everything.
_IDLE_MINUTES = 5
_MEASURES = ("roc_auc", "pr_auc", "log_loss", "brier", "lift_at_10_percent")


def main(arguments: list[str] | None = None) -> int:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.train_real")
    parser.add_argument("--to", type=Path, help="a folder for the runs; a temporary one by default")
    parser.add_argument("--threads", type=int, default=2, help="threads of the training libraries")
    given = parser.parse_args(arguments)
    console = Console(emoji=False, markup=False)
    missing = [path.name for path in (ONLINE_RETAIL, REES46) if not path.exists()]
    if missing:
        console.print(f"train-real: skipped, because {' and '.join(missing)} is not at {DATA}")
        return 0
    with tempfile.TemporaryDirectory(prefix="presage-runs-") as temporary:
        to = given.to or Path(temporary)
        reached = _online_retail(console, to / "online-retail", given.threads)
        _rees46(console, to / "rees46", given.threads)
    return 0 if reached else 1


def _online_retail(console: Console, to: Path, threads: int) -> bool:
    options = ExperimentOptions(feature="frequency", threads=threads)
    task = PredictionTask(
        target=PurchaseWithin(30),
        decisions=AtTypes(frozenset({EventType.PURCHASE})),
        feature_set=_RETAIL_SET,
        known_only=True,
    )
    log = LogFile(path=ONLINE_RETAIL, source=LogFormat.ONLINE_RETAIL)
    with console.status("online retail") as status:
        results = train_on_log(
            log, task, to, kinds=DEFAULT_KINDS, options=options, overwrite=True, on_progress=status.update
        )
        status.update("what each group of features adds")
        groups = _ablation(read_dataset(log, task, skipped=SkippedRows()), options)
    console.print(models_table(results))
    for remark in results.remarks:
        console.print(remark, soft_wrap=True)
    _print_checks(console, results.checks)
    _print_parts(console, results)
    console.print(groups)
    best = max(
        (model for model in results.models if not model.is_baseline), key=lambda model: _value(model.metrics["roc_auc"])
    )
    reached = (
        _value(best.metrics["roc_auc"]) >= LEAST_ROC_AUC and best.ahead is not None and (best.ahead.low or 0.0) > 0.0
    )
    verdict = "reached" if reached else "not reached"
    console.print(f"ROC-AUC of at least {LEAST_ROC_AUC}, and a lead over {results.baseline} beyond chance: {verdict}\n")
    return reached


def _ablation(dataset: Dataset, options: ExperimentOptions) -> Table:
    """Lay out what one kind of model does with each group of features alone, and without each."""
    everything = frozenset(dataset.feature_set.features)
    test = split_parts(dataset, options).test
    resamples = Resamples(labels=test.labels, visitors=test.visitors, seed=options.seed, draws=options.draws)

    def measured(left_out: frozenset[str]) -> MeasuredModel:
        parts = split_parts(without(dataset, left_out), options)
        model = fit(
            _ABLATED,
            to_rows(parts.train),
            to_rows(parts.tune),
            seed=options.seed,
            options=FitOptions(threads=options.threads),
        )
        return measure_model(_ABLATED, parts.test, model.predict(parts.test.features), resamples, is_baseline=True)

    table = Table(
        "features",
        "count",
        "roc_auc of these alone",
        "roc_auc of all the others",
        "so the group adds to the others",
        title=f"{_ABLATED}, by groups of features",
        title_justify="left",
    )
    whole = measured(frozenset())
    for name, group in FEATURE_GROUPS.items():
        alone, others = measured(everything - group), measured(group)
        table.add_row(
            name,
            str(len(group)),
            format_metric(alone.result.metrics["roc_auc"]),
            format_metric(others.result.metrics["roc_auc"]),
            format_metric(whole.draws.difference(others.draws, "roc_auc")),
        )
    table.add_row("all", str(len(everything)), format_metric(whole.result.metrics["roc_auc"]), "", "")
    return table


def _rees46(console: Console, to: Path, threads: int) -> None:
    began = perf_counter()
    options = ExperimentOptions(threads=threads)
    target = PurchaseInSession(ended_only=True, idle_minutes=_IDLE_MINUTES)
    task = PredictionTask(target=target, decisions=EveryEvent(), feature_set=BEHAVIOR)
    skipped = SkippedRows()
    dataset = read_dataset(LogFile(path=REES46, source=LogFormat.REES46), task, skipped=skipped)
    replay_seconds = perf_counter() - began
    folds = list(grouped_folds(dataset, _FOLDS, seed=options.seed))
    resamples = Resamples(
        labels=dataset.labels,
        visitors=dataset.visitors,
        seed=options.seed,
        draws=options.draws,
        folds=np.argmax([test for _, test in folds], axis=0),
    )
    early = dataset.prefix_lengths <= _EARLY_EVENTS
    assert resamples.folds is not None
    early_resamples = replace(
        resamples, labels=dataset.labels[early], visitors=dataset.visitors[early], folds=resamples.folds[early]
    )
    models: list[ModelResult] = []
    rows: list[tuple[str, MeasuredModel, MeasuredModel]] = []
    warnings: Sequence[LeakageWarning] = lone_features(dataset)
    with console.status("rees46") as status:
        for words, left_out in {"": frozenset[str](), **_LEFT_OUT}.items():
            part = without(dataset, left_out)
            scores = cross_validate(part, _CROSS_VALIDATED, folds, options=options, on_progress=status.update)
            baselines: list[MeasuredModel] = []
            early_baselines: list[MeasuredModel] = []
            for kind in _CROSS_VALIDATED:
                is_baseline = kind in {"prevalence", "single-feature"}
                status.update(f"measuring {kind}{words}")
                one = measure_model(
                    kind + words,
                    part,
                    scores[kind],
                    resamples,
                    is_baseline=is_baseline,
                    baseline=_best(baselines),
                )
                at_first = measure_model(
                    kind + words,
                    part.take(early),
                    scores[kind][early],
                    early_resamples,
                    is_baseline=is_baseline,
                    baseline=_best(early_baselines),
                )
                if is_baseline:
                    baselines.append(one)
                    early_baselines.append(at_first)
                models.append(one.result)
                rows.append((kind + words, one, at_first))
    results = Results(
        name=to.name,
        seed=options.seed,
        draws=options.draws,
        data=DataFacts(
            source=REES46.name,
            target=task.target.name,
            decisions=task.decisions.name,
            feature_set=BEHAVIOR.name,
            features=BEHAVIOR.features,
            time_zone=BEHAVIOR.time_zone,
            log=dataset.log,
            skipped=skipped.counts,
            parts={"all": facts_of_part(dataset), f"first {_EARLY_EVENTS} events": facts_of_part(dataset.take(early))},
            split=(
                f"Cross-validated in {_FOLDS} folds of visitors: no visitor is scored by a model that has seen it. "
                f"Sessions that were idle for less than {_IDLE_MINUTES} minutes at the log's end are excluded; of those "
                "called negative, some would have come back and bought."
            ),
        ),
        models=models,
        baseline="the best baseline with the same features",
        checks=(Check(name="lone-feature", warnings=warnings),),
        seconds={"reading and replaying": replay_seconds, "all": perf_counter() - began},
    )
    with arriving_folder(to.resolve(), overwrite=True) as folder:
        write_results(folder, results)
    _print_rees46(console, results, rows)


def _print_rees46(console: Console, results: Results, rows: list[tuple[str, MeasuredModel, MeasuredModel]]) -> None:
    whole, early = results.data.parts.values()
    for title, facts, place in (
        (f"{results.data.target} at every event", whole, 1),
        (f"of these, up to the session's event {_EARLY_EVENTS}", early, 2),
    ):
        table = Table(
            "model",
            *_MEASURES,
            "above the best baseline",
            title=(
                f"{title}: {facts.rows:,} rows of {facts.visitors:,} visitors, "
                f"{facts.positives:,} positive ({facts.mean_label:.1%})"
            ),
            title_justify="left",
        )
        for row in rows:
            measured = row[place]
            assert isinstance(measured, MeasuredModel)
            metrics = measured.result.metrics
            ahead = format_metric(measured.result.ahead) if measured.result.ahead else ""
            table.add_row(
                row[0], *(format_metric(metrics[name], interval=name == "roc_auc") for name in _MEASURES), ahead
            )
        console.print(table)
    console.print(results.data.split, soft_wrap=True)
    by_kind = {kind: one for kind, one, _ in rows}
    for kind in _CROSS_VALIDATED[2:]:
        for words in _LEFT_OUT:
            lost = by_kind[kind].draws.difference(by_kind[kind + words].draws, "roc_auc")
            what = words.removeprefix(" without ")
            console.print(f"{kind}: {what} add {format_metric(lost)} to the ROC-AUC{_caution(lost)}", soft_wrap=True)
    _print_checks(console, results.checks)


def _caution(metric: Metric) -> str:
    unsure = metric.low is None or metric.high is None or metric.low <= 0.0 <= metric.high
    return "; the interval holds 0, so these rows do not show that they add anything" if unsure else ""


def _print_checks(console: Console, checks: Sequence[Check]) -> None:
    for check in checks:
        found = "; ".join(warning.message for warning in check.warnings) or "nothing found"
        console.print(f"leakage, {check.name}: {found}", soft_wrap=True)


def _print_parts(console: Console, results: Results) -> None:
    for name, part in results.data.parts.items():
        console.print(
            f"{name}: {part.rows:,} rows of {part.visitors:,} visitors, {part.positives:,} positive ({part.mean_label:.1%})"
        )


def _best(baselines: Sequence[MeasuredModel]) -> MetricDraws | None:
    best = max(baselines, key=lambda one: _value(one.result.metrics["roc_auc"]), default=None)
    return None if best is None else best.draws


def _value(metric: Metric) -> float:
    return float("-inf") if metric.value is None else metric.value


if __name__ == "__main__":
    sys.exit(main())
