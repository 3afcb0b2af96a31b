"""Whether a challenger is promoted or dropped, by the outcomes of visitors that both it and the champion have scored."""

from __future__ import annotations

from dataclasses import dataclass

from presage_export.registry import Aliases, drop_challenger, promote
from presage_training.learning.options import LearnSchedule
from presage_training.verdicts import Action, Decision, PairedRows, compare, decide
from presage_training.verdicts.lists import PairedLists, compare_lists, decide_lists

__all__ = ["JudgedChallenger", "judge_challenger", "judge_ranking_challenger"]


@dataclass(frozen=True, slots=True)
class JudgedChallenger:
    verdict: str
    """``promote``, ``roll back``, ``give up`` or ``continue``."""
    reason: str
    aliases: Aliases | None
    """The aliases that follow; None: nothing changes."""


def judge_challenger(
    rows: PairedRows, aliases: Aliases, options: LearnSchedule, *, is_out_of_time: bool = False
) -> JudgedChallenger:
    """Judge a challenger that scores; the verdict stays valid however often this is called.

    Rows of visitors that the prior serves count, too: both versions have scored them, and neither has influenced them.

    Args:
        rows: Of the champion and the challenger.
        aliases: As they are; they name the error level.
        options: What a verdict needs.
        is_out_of_time: Whether the challenger is to be dropped if it is neither better nor worse.
    """
    comparison = compare(
        rows,
        alpha=aliases.rollback.paired_alpha,
        tightest_at=options.tightest_at,
        draws=options.draws,
        seed=options.seed,
    )
    return _follow(decide(comparison, options.rules), aliases, options, is_out_of_time=is_out_of_time)


def judge_ranking_challenger(
    rows: PairedLists, aliases: Aliases, options: LearnSchedule, *, is_out_of_time: bool = False
) -> JudgedChallenger:
    """Judge a challenger that ranks; as ``judge_challenger``, but lists of visitors that the prior serves do not count."""
    comparison = compare_lists(
        rows,
        alpha=aliases.rollback.paired_alpha,
        tightest_at=options.tightest_at,
        draws=options.draws,
        seed=options.seed,
    )
    return _follow(decide_lists(comparison, options.rules), aliases, options, is_out_of_time=is_out_of_time)


def _follow(decision: Decision, aliases: Aliases, options: LearnSchedule, *, is_out_of_time: bool) -> JudgedChallenger:
    match decision.action:
        case Action.PROMOTE:
            return JudgedChallenger(decision.action.value, decision.reason, promote(aliases))
        case Action.ROLL_BACK:
            return JudgedChallenger(decision.action.value, decision.reason, drop_challenger(aliases))
    if is_out_of_time:
        reason = f"neither better nor worse in {options.patience_hours:g} hours: {decision.reason}"
        return JudgedChallenger("give up", reason, drop_challenger(aliases))
    return JudgedChallenger(decision.action.value, decision.reason, None)
