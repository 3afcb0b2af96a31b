"""The charts of a version's importances and of the learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from presage_console.charts import Chart, Series
from presage_console.models.details import Importance
from presage_console.models.learning import Learning

__all__ = ["draw_importances", "draw_learning"]

_MOST_FEATURES: Final = 15
_LEAST_SPREAD: Final = 0.02
"""Of the learning curve's axis: smaller differences are not made to look large."""


def draw_importances(importances: Sequence[Importance]) -> Chart | None:
    """Draw how much the features matter that matter most; None where none are known."""
    if not importances:
        return None
    shown, others = importances[:_MOST_FEATURES], importances[_MOST_FEATURES:]
    names = [each.feature for each in shown]
    shares = [each.share for each in shown]
    if others:
        names.append(f"{len(others)} others together")
        shares.append(sum(each.share for each in others))
    return Chart(
        title="How much each feature matters",
        note="Its share of what the splits of trees gained, or of the spread of a linear model. All shares add up to 100 %.",
        kind="rows",
        x_name="feature",
        x=names,
        series=(Series(name="share of the model", values=shares, unit="%"),),
    )


def draw_learning(learning: Learning) -> Chart | None:
    """Draw the metric of each version; None with fewer than two."""
    steps = learning.steps
    if len(steps) < 2:
        return None
    ends = [step.log_end_unix_micros for step in steps]
    by_time = None not in ends and all(one < other for one, other in pairwise(filter(None, ends)))
    values = [step.value for step in steps]
    spread = max(max(values) - min(values), _LEAST_SPREAD)
    return Chart(
        title=f"{learning.metric} of each version",
        note="Each on data that it was not trained on, the newest of its own time: later versions are measured on later visitors.",
        x_name="end of the log that it was trained on" if by_time else "version, in order",
        x=[end / 1e6 for end in ends if end is not None] if by_time else list(range(1, len(steps) + 1)),
        x_is_time=by_time,
        series=(Series(name=learning.metric, values=values),),
        y_low=min(values) - spread / 4,
        y_high=max(values) + spread / 4,
    )
