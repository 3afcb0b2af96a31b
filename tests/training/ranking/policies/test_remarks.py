from __future__ import annotations

import numpy as np

from presage_training.ranking.policies.off_policy import LoggedRounds, estimate_policy
from presage_training.ranking.policies.remarks import remarks


def remarks_on(propensities, targets):
    numbers = np.arange(len(propensities))
    rounds = LoggedRounds(
        rewards=np.zeros(len(numbers)),
        propensities=np.array(propensities),
        targets=np.array(targets),
        visitors=numbers,
        lists=numbers,
        places=np.ones_like(numbers),
    )
    return remarks(estimate_policy(rounds, draws=2))


def test_nothing_is_said_of_weights_that_are_well():
    assert remarks_on([0.5] * 200, [0.5] * 200) == []


def test_few_places_are_named():
    (remark,) = remarks_on([0.5] * 50, [0.5] * 50)
    assert remark.startswith("50 places are worth 50, too few")


def test_what_the_log_never_shows_is_named():
    (remark,) = remarks_on([1.0] * 300, [1.0] * 200 + [0.0] * 100)
    assert remark.startswith("weights are 0.67 on average, not 1: the log has nothing of 33%")


def test_a_mean_that_may_be_chance_is_not():
    assert remarks_on([0.1] * 300, [1.0] * 24 + [0.0] * 276)[1:] == []
    assert not any("on average" in line for line in remarks_on([0.1] * 300, [1.0] * 24 + [0.0] * 276))


def test_a_propensity_that_decides_everything_is_named():
    found = remarks_on([0.5] * 200 + [1e-6], [0.5] * 201)
    assert any(line.startswith("one place has 100% of all weight") for line in found)


def test_no_weight_at_all():
    assert any("weights are 0.00 on average" in line for line in remarks_on([0.5] * 200, [0.0] * 200))
