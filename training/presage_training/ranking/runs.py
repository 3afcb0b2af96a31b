"""From a log to a run's folder: the ranking model's bundle, the results and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from presage_export.bundle.ranking import RankingBundle
from presage_featurizer import MICROS, Event
from presage_featurizer.ranking.definition import RANKING_FEATURES
from presage_featurizer.ranking.placements import Placements
from presage_training.errors import DatasetError
from presage_training.experiment.logs import LogSource
from presage_training.ranking.answers import QUESTIONS, Question, Survey, survey
from presage_training.ranking.baselines import BASELINES, SHOWN_BASELINES
from presage_training.ranking.catalogue_sources import CatalogueFile, open_catalogue
from presage_training.ranking.comparing import CHAMPION, MODEL, RankingComparison, compare_rankers
from presage_training.ranking.exporting import export_ranking, table_arrays
from presage_training.ranking.model import feature_importances
from presage_training.ranking.planning import RankingOptions, RankingPlan, make_plan
from presage_training.ranking.remarks import SERVER_TTL_DAYS, remarks_on_ranking
from presage_training.readers import ReadProgress, SkippedRows, sorted_by_time
from presage_training.report.ranking_page import write_ranking_results
from presage_training.report.ranking_results import RankingFacts, RankingResults
from presage_training.report.writing import arriving_folder, check_place

__all__ = ["measure_log", "rank_log", "ranking_results", "train_ranking"]

_VERSION = "1"
_PROGRESS_INTERVAL_EVENTS = 20_000
_RANKERS = {
    **BASELINES,
    **SHOWN_BASELINES,
    MODEL: "LightGBM's lambdarank over the candidates and their features",
    CHAMPION: "the version that serves",
}
_WITH_RULES = "its list after the rules of a placement"
_DAY_MICROS = 86_400 * MICROS


def train_ranking(
    log: LogSource,
    to: Path,
    *,
    question: Question | None = None,
    options: RankingOptions,
    placements: Placements | None = None,
    catalogue: CatalogueFile | None = None,
    bundle: Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> RankingResults:
    """Train a ranking model on a log and write a run's folder.

    Args:
        log: The log; read twice, and sorted by time whatever its order.
        to: The folder: ``results.json``, ``report.html``, and the bundle ``models/ranking/1``. Written as a whole or not at all.
        question: What to ask; None to choose it from the log.
        options: How to train and measure.
        placements: Rules after the model, whose lists are measured, too.
        catalogue: The items' file, if there is one: what is said of items by it and not by events. Without it, an archive's own
            catalogue is used.
        bundle: Where to write the bundle in addition, NAME/VERSION.
        overwrite: Whether to replace the folder and the bundle if they exist.
        on_progress: Called with a short description of each step.
        on_note: Called with a line for what a person should know.

    Returns:
        The results, as written to the folder.

    Raises:
        TrainingError: The log or the catalogue does not allow it; the message names the file.
        ExportError: The model cannot be exported faithfully, or the bundle cannot be written.
        OSError: The log or the catalogue cannot be read, or the folder or bundle not written.
    """
    for place in (to, *(() if bundle is None else (bundle,))):
        check_place(place.resolve())
    compared, results = measure_log(
        log,
        to.resolve().name,
        question=question,
        options=options,
        placements=placements,
        catalogue=catalogue,
        on_progress=on_progress,
        on_note=on_note,
    )
    on_progress("making the tables of the whole log")
    arrays = table_arrays(compared.tables())
    with arriving_folder(to.resolve(), overwrite=overwrite) as folder:
        on_progress("proving the export")
        place = folder / "models" / RANKING_FEATURES / _VERSION
        report = export_ranking(compared, results, arrays, place, facts=log.facts)
        results = replace(
            results,
            export=f"compared on {report.groups:,} lists of candidates, of which {report.near_ties:,} came out in another order "
            "where scores differ by less than rounding",
        )
        write_ranking_results(folder, results)
        if bundle is not None:
            export_ranking(compared, results, arrays, bundle.resolve(), facts=log.facts, overwrite=overwrite)
    return results


def measure_log(
    log: LogSource,
    name: str,
    *,
    question: Question | None,
    options: RankingOptions,
    placements: Placements | None = None,
    catalogue: CatalogueFile | None = None,
    champion: RankingBundle | None = None,
    test_after_unix_micros: int = 0,
    on_progress: Callable[[str], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> tuple[RankingComparison, RankingResults]:
    """Train and measure a ranking model on a log as ``train_ranking`` does, and write nothing.

    Args:
        log: The log.
        name: Of the results.
        question: What to ask; None to choose it from the log.
        options: How to train and measure.
        placements: Rules after the model.
        catalogue: The items' file, if there is one.
        champion: A version to measure, too.
        test_after_unix_micros: The test begins here at the earliest, such as at the end of the champion's log.
        on_progress: Called with a short description of each step.
        on_note: Called with a line for what a person should know.

    Raises:
        TrainingError: The log or the catalogue does not allow it; the message names the file.
        OSError: The log or the catalogue cannot be read.
    """
    skipped, of_items = SkippedRows(), SkippedRows()
    described = open_catalogue(log, catalogue, skipped=of_items, on_note=on_note)
    try:
        found = survey(_read(log, skipped, "reading", on_progress), QUESTIONS if question is None else (question,))
        plan = make_plan(found, options, question)
        if plan.test_from_unix_micros < test_after_unix_micros:
            moments = plan.fit_from_unix_micros, test_after_unix_micros
            plan = make_plan(found, options, plan.question, moments=moments)
        replayed = _read(log, SkippedRows(), f"replaying for {plan.question}", on_progress)
        compared = compare_rankers(
            replayed,
            plan,
            options,
            placements=placements,
            catalogue=described,
            champion=champion,
            on_progress=on_progress,
        )
    except DatasetError as error:
        raise DatasetError(f"{log.location}: {error}") from error
    on_progress("drawing intervals")
    results = ranking_results(name, log.name, options, found, plan, compared)
    if catalogue is None and described is not None and not described.items:
        on_note("no change of the archive's catalogue is older than its last event: give the items' file with --items")
    source = "catalogue" if catalogue is None else catalogue.path.name
    left_out = {f"{source}: {reason}": count for reason, count in of_items.counts.items()}
    return compared, replace(results, data=replace(results.data, skipped={**skipped.counts, **left_out}))


def rank_log(
    events: Callable[[], Iterable[Event]],
    options: RankingOptions,
    question: Question | None = None,
    *,
    name: str = "log",
    moments: tuple[int, int] | None = None,
) -> RankingResults:
    """Train and measure a ranking model as ``train_ranking`` does, and write nothing.

    Args:
        events: Begins to read a log in the order of time; called twice.
        options: How to train and measure.
        question: What to ask; None to choose it from the log.
        name: Of the log.
        moments: Where fitting and testing begin, in microseconds, instead of by share.

    Raises:
        DatasetError: The log does not allow it.
    """
    found = survey(events(), QUESTIONS if question is None else (question,))
    plan = make_plan(found, options, question, moments=moments)
    return ranking_results(name, name, options, found, plan, compare_rankers(events(), plan, options))


def ranking_results(  # noqa: PLR0917 - one for each step of a run
    name: str, source: str, options: RankingOptions, found: Survey, plan: RankingPlan, compared: RankingComparison
) -> RankingResults:
    """Put together what was measured."""
    measure, items = compared.measure, compared.replay.items
    catalogue = len(items)
    silent_days = np.array(measure.silences) / _DAY_MICROS
    data = RankingFacts(
        source=source,
        events=found.events,
        item_events=found.item_events,
        visitors=found.visitors,
        items=catalogue,
        first_unix_micros=found.first_unix_micros,
        last_unix_micros=found.last_unix_micros,
        question=plan.question,
        why=plan.why,
        fit_from_unix_micros=plan.fit_from_unix_micros,
        test_from_unix_micros=plan.test_from_unix_micros,
        fit_answers=plan.fit_count,
        fit_queries=compared.fit_queries,
        test_answers=plan.test_count,
        test_queries=measure.queries,
        bucket_seconds=options.bucket_seconds,
        catalogue_items=compared.replay.catalogue.items,
        has_categories=bool((items.categories > 0).any()),
        has_prices=bool((items.prices > 0.0).any()),
        state_ttl_days=options.state_ttl_days,
        forgotten=float(np.mean(silent_days > (options.state_ttl_days or SERVER_TTL_DAYS))),
        silence_days=float(np.quantile(silent_days, 0.95)),
        skipped={},
    )
    parts = measure.results(seed=options.seed, draws=options.draws)
    results = RankingResults(
        name=name,
        seed=options.seed,
        draws=options.draws,
        model=MODEL,
        data=data,
        trees=compared.booster.num_trees(),
        candidates=measure.candidates / max(1, measure.queries),
        found=measure.found,
        parts=parts,
        lists=measure.lists(catalogue),
        importances=feature_importances(compared.booster),
        rankers={ranker: _RANKERS.get(ranker, _WITH_RULES) for ranker in next(iter(parts.values())).metrics},
        remarks=(),
        export="",
    )
    return replace(results, remarks=tuple(remarks_on_ranking(results)))


def _read(log: LogSource, skipped: SkippedRows, step: str, on_progress: Callable[[str], None]) -> Iterator[Event]:
    progress = ReadProgress()
    for count, event in enumerate(
        sorted_by_time(_reported(log.events(skipped, progress), progress, step, on_progress))
    ):
        if count % _PROGRESS_INTERVAL_EVENTS == 0:
            on_progress(f"{step}, {count:,} events so far")
        yield event


def _reported(
    events: Iterable[Event], progress: ReadProgress, step: str, on_progress: Callable[[str], None]
) -> Iterator[Event]:
    for count, event in enumerate(events):
        if count % _PROGRESS_INTERVAL_EVENTS == 0 and 0.0 < progress.share < 1.0:
            on_progress(f"{step}: sorting by time, {progress.share:.0%} of the log")
        yield event
