"""What a comparison shows, and what it does not, in words."""

from __future__ import annotations

import numpy as np
import pytest

from presage_training.experiment.remarks import remarks_on
from presage_training.report import MeasuredModel, MetricDraws, ModelResult

RANDOM = np.random.default_rng(1)
NOISE = RANDOM.normal(0.0, 0.01, 201)
NOISE[0] = 0.0


def measured(kind: str, roc_auc: float, *, baseline: MeasuredModel | None = None) -> MeasuredModel:
    draws = MetricDraws({"roc_auc": roc_auc + NOISE * (2.0 if baseline else 1.0)})
    result = ModelResult(
        kind=kind,
        is_baseline=baseline is None,
        metrics=draws.metrics(),
        ahead=None if baseline is None else draws.difference(baseline.draws, "roc_auc"),
    )
    return MeasuredModel(result, draws)


RULE = measured("rfm-rule", 0.7)


@pytest.mark.parametrize(
    ("models", "remark"),
    [
        ({"shop/1": 0.8}, None),
        ({"shop/1": 0.705}, "That interval holds 0: these rows do not show that the model is better than rfm-rule."),
        ({"shop/1": 0.6}, "That interval is below 0: on these rows rfm-rule is better than the model."),
        (
            {"forest": 0.705, "boosting": 0.704},
            "That interval holds 0: these rows do not show that any model is better than rfm-rule.",
        ),
        (
            {"forest": 0.6, "boosting": 0.5},
            "That interval is below 0: on these rows rfm-rule is better than every model.",
        ),
    ],
)
def test_the_lead_is_compared_with_chance(models, remark):
    own = [measured(kind, roc_auc, baseline=RULE) for kind, roc_auc in models.items()]
    remarks = remarks_on([RULE, *own], "rfm-rule")

    assert [line for line in remarks if line.startswith("That interval")] == [remark] * (remark is not None)


def test_one_model_is_not_the_best_of_several():
    alone = remarks_on([RULE, measured("shop/1", 0.8, baseline=RULE)], "rfm-rule")
    best = remarks_on([RULE, *(measured(kind, 0.8, baseline=RULE) for kind in ("forest", "boosting"))], "rfm-rule")

    assert alone[0].startswith("shop/1 has a ROC-AUC of 0.800 (")
    assert len(alone) == 1
    assert best[0].startswith("forest has the best ROC-AUC, 0.800 (")
    assert "flatters it a little" in best[1]
    assert best[2] == "These rows do not show that it is better than boosting."
