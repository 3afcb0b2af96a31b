"""The live ROC-AUC of each day, of what was served and of what the first model would have served for the same vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.proofs.learning.shop import START
from presage_export.bundle import read_bundle
from presage_training.datasets.targets import PurchaseInSession
from presage_training.readers.formats.archive import read_archive, read_archived_vectors
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.report.axes import Axis
from presage_training.report.charts import line_chart
from presage_training.verdicts import find_outcomes

__all__ = ["DayAuc", "live_aucs", "plot"]

_DAY_MICROS = 86_400_000_000
_HELD_OUT = 3  # a number of presage.v1.Arm


class DayAuc(NamedTuple):
    rows: int
    learning: float
    """Of the scores that were served."""
    frozen: float | None
    """Of the first trained model's scores of the same vectors; None on the days before it served."""


def live_aucs(archive: Path, first_model: Path) -> dict[int, DayAuc]:
    """Compute both for each day that has both outcomes; of visitors who are not held out.

    Args:
        archive: The folder of ``presage archive --to``.
        first_model: The bundle of the first model that was promoted.
    """
    vectors = [vector for vector in read_archived_vectors(archive) if vector.arm != _HELD_OUT]
    outcomes = find_outcomes(read_archive(archive, skipped=SkippedRows()), vectors, PurchaseInSession())
    days = defaultdict(list)
    for outcome in outcomes.found:
        days[(outcome.vector.as_of_unix_micros - START) // _DAY_MICROS].append(outcome)
    bundle = read_bundle(first_model)
    since = min(
        day for day, of_day in days.items() if any(each.vector.model_version == first_model.name for each in of_day)
    )
    found = {}
    for day, of_day in sorted(days.items()):
        labels = np.array([outcome.label for outcome in of_day])
        if not 0.0 < labels.mean() < 1.0:
            continue
        rows = np.array([outcome.vector.features for outcome in of_day], np.float32)
        found[day] = DayAuc(
            len(labels),
            float(roc_auc_score(labels, [outcome.vector.score for outcome in of_day])),
            float(roc_auc_score(labels, bundle.scores(rows))) if day >= since else None,
        )
    return found


def plot(days: Mapping[int, DayAuc], last_day: int) -> str:
    """Draw both as SVG."""
    curves = {
        "learning on": [(day / last_day, found.learning) for day, found in days.items()],
        "learning off: the first model": [
            (day / last_day, found.frozen) for day, found in days.items() if found.frozen is not None
        ],
    }
    values = [value for curve in curves.values() for _, value in curve]
    chart = line_chart(
        "Live ROC-AUC by day, with a change of behaviour in the middle",
        curves,
        x_label=f"time, of {last_day + 1} days",
        y_label="ROC-AUC",
        y_axis=Axis.around(values),
        level=0.5,
        dots=True,
    )
    return chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" ', 1)
