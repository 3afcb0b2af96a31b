"""The baseline of a bundle: what features and scores look like as long as nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presage_export.drift import (
    BASELINE_FILE,
    MIN_VISITORS,
    Baseline,
    Column,
    Kind,
    ServedRows,
    build_baseline,
    join_baselines,
    pack_baseline,
)
from presage_featurizer import CATALOGUE, FeatureSet

__all__ = ["baseline_of_features", "with_scores"]

_FOLLOW_THE_DATE: Final = frozenset({"month", "quarter"})
_SEED = 0


def baseline_of_features(served: ServedRows, feature_set: FeatureSet, *, min_visitors: int = MIN_VISITORS) -> Baseline:
    """Build the part of a baseline that all models of a feature set share; takes seconds."""
    columns = [_column(name, feature_set) for name in feature_set.features]
    return build_baseline(served, columns, time_zone=feature_set.time_zone, seed=_SEED, min_visitors=min_visitors)


def with_scores(
    features: Baseline,
    served: ServedRows,
    predict: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    *,
    after_unix_micros: int,
    time_zone: str,
) -> dict[str, bytes]:
    """Add a model's scores to a baseline.

    Args:
        features: The baseline of the features.
        served: The rows that it was built from.
        predict: Scores rows.
        after_unix_micros: Rows later than this were not trained on; if there are none, all count.
        time_zone: The shop's.

    Returns:
        The file that the bundle gets, by name.
    """
    scores = predict(served.values).astype(np.float32)[:, None]
    all_rows = ServedRows(values=scores, times_unix_micros=served.times_unix_micros, visitors=served.visitors)
    later = served.times_unix_micros > after_unix_micros
    build = partial(
        build_baseline,
        columns=[Column()],
        time_zone=time_zone,
        seed=_SEED,
        min_visitors=int(features.min_visitors[0]),
    )
    of_scores = build(all_rows.take(later) if later.any() else all_rows)
    if later.any() and not later.all():
        # Those that were trained on score better, but their evenings and paydays differ from their whole as those of the others do.
        trained_on = build(all_rows.take(~later))
        usual = np.maximum(of_scores.usual_effects, trained_on.usual_effects)
        of_scores = replace(of_scores, usual_effects=usual)
    return {BASELINE_FILE: pack_baseline(join_baselines([features, of_scores]))}


def _column(name: str, feature_set: FeatureSet) -> Column:
    feature = CATALOGUE.get(name) or (feature_set.custom.catalogue[name] if feature_set.custom else None)
    if feature is None or feature.scope != "calendar":
        return Column(default=None if feature is None else feature.default)
    return Column(kind=Kind.NEVER if name in _FOLLOW_THE_DATE else Kind.SAME_HOURS)
