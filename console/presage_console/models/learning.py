"""What a learner did: its verdicts, and how good each version was that it trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from presage_client import ModelDetails
from presage_console.models.details import main_metric, metric_words
from presage_export.registry import Verdict

__all__ = ["Decision", "Learning", "Step", "describe_learning"]

_WORDS: Final[Mapping[str, str]] = {
    "prior": "wrote a prior",
    "not trained": "could not train",
    "rejected": "rejected at the gate",
    "challenger": "passed the gate, and became the challenger",
    "continue": "nothing decided yet",
    "promote": "promoted to champion",
    "roll back": "rolled back: it is worse",
    "give up": "dropped: no verdict in time",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One decision of the learner; looks in a row at the same challenger that decided nothing are one."""

    at_unix_micros: int
    """Of the last look."""
    version: str
    words: str
    reason: str
    looks: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One version on the learning curve."""

    version: str
    value: float
    """Of the metric, on data that the version was not trained on."""
    rows: int | None
    """How many it was trained on; None where the bundle does not say."""
    purchases: int | None
    """How many purchases there were when a learner trained it; None where it did not say."""
    log_end_unix_micros: int | None
    """The end of the log that it was trained on; None where the bundle does not say."""
    became: str
    """The learner's last decision about it; empty for a version that no learner has trained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Learning:
    """The learning curve, and the decisions behind it."""

    metric: str
    """What the curve is of, such as ROC-AUC; empty if no version states one."""
    meaning: str
    steps: tuple[Step, ...]
    """The oldest version first."""
    decisions: tuple[Decision, ...]
    """The newest first."""
    promoted: int
    """How many versions were promoted."""
    turned_down: int
    """How many were rejected at the gate, rolled back or dropped."""


def describe_learning(
    verdicts: Sequence[Verdict], details: Mapping[str, ModelDetails], versions: Sequence[str]
) -> Learning:
    """Describe what a learner did.

    Args:
        verdicts: The oldest first; empty where none has learned, or their file cannot be read here.
        details: What is known of the versions, by version; some may be missing.
        versions: The versions, the oldest first.
    """
    last = {verdict.version: _WORDS.get(verdict.verdict, verdict.verdict) for verdict in verdicts}
    purchases = {verdict.version: verdict.purchases for verdict in verdicts if verdict.purchases}
    stated = (main_metric(details[version].metrics) for version in reversed(versions) if version in details)
    metric = next(filter(None, stated), None)
    name, called = ("", "") if metric is None else metric[:2]
    steps = []
    for version in versions:
        found = details.get(version)
        if found is None or name not in found.metrics:
            continue
        data = found.training_data
        steps.append(
            Step(
                version=version,
                value=found.metrics[name],
                rows=_whole(data.get("train_rows") or data.get("fit_queries")),
                purchases=purchases.get(version),
                log_end_unix_micros=_whole(data.get("log_end_unix_micros")),
                became=last.get(version, ""),
            )
        )
    ends = [verdict.verdict for verdict in verdicts]
    return Learning(
        metric=called,
        meaning=metric_words(name)[1] if name else "",
        steps=tuple(steps),
        decisions=tuple(reversed(_decisions(verdicts))),
        promoted=ends.count("promote"),
        turned_down=sum(ends.count(each) for each in ("rejected", "roll back", "give up")),
    )


def _decisions(verdicts: Sequence[Verdict]) -> list[Decision]:
    found: list[Decision] = []
    for verdict in verdicts:
        words = _WORDS.get(verdict.verdict, verdict.verdict)
        is_again = (
            verdict.verdict == "continue"
            and bool(found)
            and (found[-1].version, found[-1].words) == (verdict.version, words)
        )
        looks = found.pop().looks + 1 if is_again else 1
        found.append(
            Decision(
                at_unix_micros=verdict.decided_at_unix_micros,
                version=verdict.version,
                words=words,
                reason=verdict.reason,
                looks=looks,
            )
        )
    return found


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
