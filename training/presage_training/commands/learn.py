"""``presage learn``: models that are trained again from the events that they serve."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from presage_training.commands.given import first_given
from presage_training.commands.signals import stop_on_signals
from presage_training.giving_way import give_way

if TYPE_CHECKING:
    from presage_training.learning import LearnOptions, RankLearnOptions, Verdict
    from presage_training.learning.cycle import LearningCycle

__all__ = ["learn"]

_RANKING_OPTIONS = ("question",)
_SCORING_OPTIONS = ("decisions", "features", "time_zone", "kind", "history_days", "default_rate")


def learn(  # noqa: PLR0917 - the command line passes names
    context: typer.Context,
    models: Annotated[Path, typer.Option(help="Folder of bundles, NAME/VERSION/, that servers follow.")],
    archive: Annotated[Path | None, typer.Argument(help="The folder that presage archive writes; or --init.")] = None,
    init: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--init", help="Only make sure that there is a model: a prior, if there is no other.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Take what is due, then end.")] = False,  # noqa: FBT002 - a flag
    rank: Annotated[bool, typer.Option("--rank", help="A model that ranks items, not one that scores.")] = False,  # noqa: FBT002 - a flag
    name: Annotated[
        str | None, typer.Option(help="The model's name; conversion if not given, ranking with --rank.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="purchase-in-session (if not given) or purchase-within:DAYS; with --rank, taken-within:MINUTES or "
            "bought-within:MINUTES."
        ),
    ] = None,
    question: Annotated[
        str | None, typer.Option(help="With --rank: what to ask of the log, as presage train takes it.")
    ] = None,
    decisions: Annotated[str, typer.Option(help="When to predict, as presage train takes it.")] = "every-event",
    features: Annotated[
        str, typer.Option(help="The feature set of a model that does not exist yet; others keep theirs.")
    ] = "core",
    time_zone: Annotated[str, typer.Option(help="The same of the shop's time zone.")] = "UTC",
    kind: Annotated[str, typer.Option(help="The kind of model, as presage train takes it.")] = "lightgbm-classifier",
    after_purchases: Annotated[int, typer.Option(min=1, help="Train after so many new purchases.")] = 500,
    every_hours: Annotated[float, typer.Option(min=0, help="Train after so many hours, too; 0: never.")] = 168.0,
    history_days: Annotated[float, typer.Option(min=0, help="Train on the newest days only; 0: on all.")] = 0.0,
    window_share: Annotated[
        float | None,
        typer.Option(
            min=0.05,
            max=0.9,
            help="The newest share of the time, kept to compare on; 0.25 if not given, 0.3 of the events with --rank.",
        ),
    ] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="The share of visitors that a challenger gets.")] = 0.1,
    holdout_share: Annotated[
        float, typer.Option(min=0, max=1, help="The share that the prior serves, if none is set yet.")
    ] = 0.02,
    pairs_share: Annotated[
        float, typer.Option(min=0, max=1, help="The share of scores logged in pairs, in the first aliases.")
    ] = 0.1,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="How much log loss a new version may lose to the champion before it is tried; 0.01 if not given, with --rank 0.02 "
            "of NDCG@10.",
        ),
    ] = None,
    slice_tolerance: Annotated[float, typer.Option(min=0, help="The same within each slice.")] = 0.05,
    min_sessions: Annotated[int, typer.Option(min=2, help="Outcomes that a verdict on a challenger needs.")] = 200,
    min_purchases: Annotated[
        int, typer.Option(min=0, help="How many of them with a purchase, and without; with --rank, with an item taken.")
    ] = 20,
    tightest_at: Annotated[
        int, typer.Option(min=1, help="How many outcomes a verdict is likely to need: there, its interval is tightest.")
    ] = 5_000,
    cooldown_hours: Annotated[float, typer.Option(min=0, help="How long after a challenger there is no other.")] = 24.0,
    patience_hours: Annotated[
        float, typer.Option(min=0, help="How long a challenger stays that is neither better nor worse.")
    ] = 336.0,
    default_rate: Annotated[
        float, typer.Option(min=1e-4, max=0.99, help="What a prior predicts before there are outcomes.")
    ] = 0.02,
    poll_seconds: Annotated[float, typer.Option(min=0.1, help="How often to look at the archive.")] = 60.0,
    seed: Annotated[int, typer.Option(help="The same archive and seed give the same model.")] = 7,
) -> None:
    """Train a model again and again from the archive, and let it earn its place.

    Follows an archive. After enough new purchases, trains in a low-priority process, compares the new version with the champion on
    the newest outcomes, and registers it as challenger; then promotes or drops it by the outcomes of visitors that both scored.
    Without any model, a prior is written first: run with --init before `presage serve`. With --rank, the model ranks items.
    """
    if not init:  # somebody waits for that
        give_way()
    # Imported here, so that the command's help does not wait for them.
    from presage_export.errors import ExportError  # noqa: PLC0415
    from presage_featurizer import FeaturizerError  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.learning import Learner, RankingLearner, StoppedError  # noqa: PLC0415
    from presage_training.learning.registering import locked  # noqa: PLC0415
    from presage_training.verdicts import DecisionRules  # noqa: PLC0415

    if archive is None and not init:
        sys.exit(_fail("expected the folder of an archive, or --init; give one of them"))
    if misplaced := first_given(context, _SCORING_OPTIONS if rank else _RANKING_OPTIONS):
        sys.exit(_fail(f"{misplaced}: only valid with{'out' if rank else ''} --rank; remove it"))
    try:
        schedule: dict[str, Any] = {
            "after_purchases": after_purchases,
            "every_hours": every_hours,
            "challenger_share": share,
            "holdout_share": holdout_share,
            "pairs_share": pairs_share,
            "cooldown_hours": cooldown_hours,
            "patience_hours": patience_hours,
            "rules": DecisionRules(min_rows=min_sessions, min_positives=min_purchases),
            "tightest_at": tightest_at,
            "seed": seed,
        }
        schedule |= _given(name=name, window_share=window_share)
        tolerances = _given(tolerance=tolerance, slice_tolerance=slice_tolerance)
        with stop_on_signals() as stop:
            learner: Learner | RankingLearner
            if rank:
                ranking = _ranking_options(schedule, tolerances, target, question)
                learner = RankingLearner(
                    archive, models, ranking, on_verdict=_print_verdict(ranking.name), is_stopped=stop.is_set
                )
            else:
                scoring = _scoring_options(
                    schedule,
                    tolerances,
                    target,
                    decisions,
                    features=features,
                    time_zone=time_zone,
                    kind=kind,
                    history_days=history_days,
                    default_rate=default_rate,
                )
                learner = Learner(
                    archive, models, scoring, on_verdict=_print_verdict(scoring.name), is_stopped=stop.is_set
                )
            with locked(learner.folder):
                if init:
                    learner.start(_now_unix_micros())
                    return
                while not stop.is_set():
                    _learn_once(learner)
                    if once:
                        break
                    stop.wait(poll_seconds)
    except StoppedError:
        return
    except (TrainingError, ExportError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or models}: {error.strerror or error}; name a folder that can be used"))


def _learn_once(learner: LearningCycle[Any]) -> None:
    """Take what is due, and register at once what was trained."""
    from presage_export.errors import StaleAliasesError  # noqa: PLC0415

    try:
        while learner.cycle(_now_unix_micros()):
            pass
    except StaleAliasesError as error:
        _fail(f"{error}; looking again")  # someone else changed them: the next cycle decides on theirs


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given; the defaults of the others depend on the kind of model."""
    return {name: value for name, value in options.items() if value is not None}


def _scoring_options(
    schedule: dict[str, Any], tolerances: dict[str, Any], target: str | None, decisions: str, **others: Any
) -> LearnOptions:
    from presage_training.datasets.targets import parse_target  # noqa: PLC0415
    from presage_training.learning import GateRules, LearnOptions  # noqa: PLC0415
    from presage_training.replaying.decisions import parse_decisions  # noqa: PLC0415

    return LearnOptions(
        target=parse_target(target or "purchase-in-session"),
        decisions=parse_decisions(decisions),
        gate=GateRules(**tolerances),
        **schedule,
        **others,
    )


def _ranking_options(
    schedule: dict[str, Any], tolerances: dict[str, Any], target: str | None, question: str | None
) -> RankLearnOptions:
    from presage_training.errors import DatasetError  # noqa: PLC0415
    from presage_training.learning import RankGateRules, RankLearnOptions  # noqa: PLC0415
    from presage_training.ranking.answers import QUESTIONS  # noqa: PLC0415
    from presage_training.verdicts.lists import parse_list_target  # noqa: PLC0415

    asked = next((known for known in QUESTIONS if known == question), None)
    if question is not None and asked is None:
        raise DatasetError(f"question: expected one of {', '.join(QUESTIONS)}, got {question!r}")
    return RankLearnOptions(
        target=None if target is None else parse_list_target(target),
        question=asked,
        gate=RankGateRules(**tolerances),
        **schedule,
    )


def _now_unix_micros() -> int:
    return time.time_ns() // 1_000


def _print_verdict(name: str) -> Callable[[Verdict], None]:
    def print_it(verdict: Verdict) -> None:
        print(f"presage learn: {name}/{verdict.version}: {verdict.verdict}: {verdict.reason}", flush=True)  # noqa: T201 - a line for logs

    return print_it


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage learn: {message}", markup=False, soft_wrap=True)
    return 2
