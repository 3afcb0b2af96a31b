"""What a bundle's scores are made of: the mean weight of each feature, and a few rows in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import Bundle
from presage_featurizer import FeatureSet
from presage_featurizer.wording import describe_contribution

__all__ = ["ExplainedRow", "Explanations", "explain_rows"]

_MOST_ROWS = 1_000
_REASONS = 5
_PLACES = {"highest": 1.0, "upper tenth": 0.9, "middle": 0.5, "lowest": 0.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedRow:
    """One row as an example."""

    place: str
    """Where its score is among all: highest, upper tenth, middle or lowest."""
    score: float
    margin: float
    reasons: Sequence[str]
    """What weighs most, in words, the heaviest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanations:
    """What the scores of some rows are made of."""

    rows: int
    """How many rows the means are over."""
    method: str
    """See ``presage_export.bundle.Explanation``."""
    base_margin: float
    """The margin that contributions are added to."""
    mean_contribution: Mapping[str, float]
    """The mean of the magnitude of each feature's contribution, the largest first."""
    examples: Sequence[ExplainedRow]


def explain_rows(
    bundle: Bundle, features: NDArray[np.float32], scores: NDArray[np.float64], feature_set: FeatureSet, *, seed: int
) -> Explanations:
    """Explain rows, at most 1,000 drawn at random, and some of them in words.

    Args:
        bundle: The model.
        features: float32 ``[N, F]``, N > 0.
        scores: Its scores of them, ``[N]``.
        feature_set: What the columns are.
        seed: The same seed draws the same rows.

    Raises:
        NotExplainableError: The bundle lacks what is needed; the message says what to do.
        ParityError: Contributions do not add up to the margin that is served.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(features))[:_MOST_ROWS])
    explained = [bundle.explain(features[index]) for index in chosen]
    weights = np.mean([np.abs(explanation.contributions) for explanation in explained], axis=0)
    order = np.argsort(-weights, kind="stable")
    by_score = chosen[np.argsort(scores[chosen], kind="stable")]
    examples = []
    for place, share in _PLACES.items():
        index = by_score[round(share * (len(by_score) - 1))]
        examples.append(_example(bundle, features[index], float(scores[index]), feature_set, place))
    return Explanations(
        rows=len(chosen),
        method=explained[0].method,
        base_margin=explained[0].base_margin,
        mean_contribution={feature_set.features[index]: float(weights[index]) for index in order},
        examples=examples,
    )


def _example(
    bundle: Bundle, row: NDArray[np.float32], score: float, feature_set: FeatureSet, place: str
) -> ExplainedRow:
    explanation = bundle.explain(row)
    contributions = zip(feature_set.features, row.tolist(), explanation.contributions.tolist(), strict=True)
    heaviest = sorted(contributions, key=lambda each: -abs(each[2]))[:_REASONS]
    return ExplainedRow(
        place=place,
        score=score,
        margin=explanation.margin,
        reasons=[describe_contribution(feature_set, *each) for each in heaviest],
    )
