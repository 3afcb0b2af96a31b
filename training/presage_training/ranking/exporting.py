"""The bundle of a measured ranking model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.bundle.order import OrderReport
from presage_export.bundle.ranking_spec import Interval, RankingSpec
from presage_export.ranking_exporter import export_ranking_model
from presage_featurizer.ranking.definition import ranking_definition
from presage_featurizer.ranking.retrieval import SOURCES
from presage_featurizer.ranking.tables import RankingTables
from presage_training.ranking.comparing import MODEL, RankingComparison
from presage_training.ranking.model import LABEL_GAINS, OBJECTIVE, TRUNCATION_LEVEL
from presage_training.ranking.parts import ALL
from presage_training.report.metrics import Metric
from presage_training.report.ranking_results import RankingResults

__all__ = ["export_ranking", "table_arrays"]


def table_arrays(tables: RankingTables) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of tables by their names in a bundle, as ``RankingTables.restore`` takes them."""
    return {name: attrgetter(name)(tables) for name in RankingTables.ARRAYS}


def export_ranking(
    compared: RankingComparison,
    results: RankingResults,
    arrays: Mapping[str, NDArray[np.generic]],
    directory: Path,
    *,
    facts: Mapping[str, str | int],
    overwrite: bool = False,
) -> OrderReport:
    """Write a model's bundle after proving that it ranks as the original.

    Args:
        compared: The model.
        results: What was measured.
        arrays: The tables to serve with.
        directory: The bundle's folder, NAME/VERSION.
        facts: What the manifest says of the log.
        overwrite: Whether to replace an existing bundle.

    Raises:
        ExportError: The model cannot be exported faithfully, or the bundle not written.
    """
    return export_ranking_model(
        compared.booster,
        directory,
        rows=compared.rows,
        groups=compared.sizes,
        arrays=arrays,
        feature_set=FeatureSetSpec(**ranking_definition()),
        ranking=_spec(compared, results),
        objective=OBJECTIVE,
        metrics={
            name: round(metric.value, 6)
            for name, metric in results.parts[ALL].metrics[MODEL].items()
            if metric.value is not None
        },
        data={
            **facts,
            "question": results.data.question,
            "seed": results.seed,
            "fit_queries": results.data.fit_queries,
            "test_queries": results.data.test_queries,
            "log_end_unix_micros": results.data.last_unix_micros,
        },
        overwrite=overwrite,
    )


def _spec(compared: RankingComparison, results: RankingResults) -> RankingSpec:
    return RankingSpec(
        question=results.data.question,
        bucket_seconds=results.data.bucket_seconds,
        limits=asdict(compared.replay.limits),
        sources=("shown",) if results.data.question == "shown-list" else SOURCES,
        label_gains=LABEL_GAINS,
        truncation_level=TRUNCATION_LEVEL,
        candidates_per_query=round(results.candidates, 3),
        groups=(),
        items=0,
        metrics={
            part: {ranker: _intervals(metrics) for ranker, metrics in found.metrics.items()}
            for part, found in results.parts.items()
        },
        ahead={
            part: _intervals({ranker: metrics["ndcg_at_10"] for ranker, metrics in found.ahead.items()})
            for part, found in results.parts.items()
        },
    )


def _intervals(metrics: Mapping[str, Metric]) -> dict[str, Interval]:
    return {
        name: Interval(value=round(metric.value, 6), low=round(metric.low, 6), high=round(metric.high, 6))
        for name, metric in metrics.items()
        if metric.value is not None and metric.low is not None and metric.high is not None
    }
