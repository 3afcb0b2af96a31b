"""Remarks on an experiment: the best model, the differences that its intervals do not support, and late events."""

from __future__ import annotations

from collections.abc import Sequence

from presage_training.replaying.event_order import EventOrder
from presage_training.report import MeasuredModel

__all__ = ["remarks_on", "remarks_on_defaults", "remarks_on_order"]


def remarks_on(models: Sequence[MeasuredModel], baseline: str) -> tuple[str, ...]:
    """Return remarks on the best model, and on what its intervals do not show.

    Args:
        models: All models, baselines included.
        baseline: The best baseline.
    """
    name = next(name for name in ("roc_auc", "r2") if name in models[0].result.metrics)
    label, article = {"roc_auc": ("ROC-AUC", "a"), "r2": ("R2", "an")}[name]
    own = [model for model in models if not model.result.is_baseline]
    if not own:
        return ()
    best = max(own, key=lambda model: model.result.skill)
    metric, ahead = best.result.metrics[name], best.result.ahead
    if metric.value is None or ahead is None or ahead.value is None or ahead.low is None:
        return (f"These rows do not show which model is best: there is no {label} to compare.",)
    leads = (
        f"{best.result.kind} has {f'the best {label},' if len(own) > 1 else f'{article} {label} of'} "
        f"{metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f}), "
        f"{ahead.value:+.3f} ({ahead.low:+.3f} to {ahead.high:+.3f}) against {baseline}, the best baseline."
    )
    remarks = [leads]
    if len(own) > 1:
        remarks.append(
            "It was found to be the best on the very rows that it is measured on, which flatters it a little."
        )
    if ahead.high is not None and ahead.high < 0.0:
        which = "every model" if len(own) > 1 else "the model"
        remarks.append(f"That interval is below 0: on these rows {baseline} is better than {which}.")
    elif ahead.low <= 0.0:
        which = "any model" if len(own) > 1 else "the model"
        remarks.append(f"That interval holds 0: these rows do not show that {which} is better than {baseline}.")
    tied = [
        other.result.kind
        for other in own
        if other is not best and (low := best.draws.difference(other.draws, name).low) is not None and low <= 0.0
    ]
    if tied:
        remarks.append(f"These rows do not show that it is better than {', '.join(tied)}.")
    return tuple(remarks)


def remarks_on_order(order: EventOrder) -> tuple[str, ...]:
    """Return a remark on a log's late events if there are few; the check ``event-order`` warns of many."""
    if not order.late_events or order.has_many_late:
        return ()
    return (f"{order.description}: few enough to train on.",)


def remarks_on_defaults(features: Sequence[str]) -> tuple[str, ...]:
    """Return a remark on the declared features that are their default in every row."""
    if not features:
        return ()
    changes = f"No event of the log changes {'it' if len(features) == 1 else 'them'}"
    advice = "look at what the mapping reads, and at their events and conditions"
    return (f"In every row the default: {', '.join(features)}. {changes}: {advice}.",)
