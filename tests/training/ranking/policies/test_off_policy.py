"""Estimates beside the truth, which a made-up shop knows."""

from __future__ import annotations

import numpy as np
import pytest

from presage_training.errors import DatasetError
from presage_training.ranking.policies.off_policy import LoggedRounds, Predictions, estimate_policy
from presage_training.ranking.policies.rewards import RewardModels

ITEMS, PLACES = 6, 2
RATES = np.array([[0.4, 0.1, 0.3, 0.05, 0.2, 0.02], [0.2, 0.3, 0.1, 0.02, 0.1, 0.3]])
"""Click rates by place and item."""
LOGGED = np.array([[0.3, 0.2, 0.1, 0.2, 0.1, 0.1], [0.1, 0.1, 0.2, 0.2, 0.2, 0.2]])
NEW = np.array([[0.6, 0.1, 0.1, 0.1, 0.05, 0.05], [0.05, 0.4, 0.05, 0.05, 0.05, 0.4]])
TRUTH = float((NEW * RATES).sum())


def logged(lists, *, seed, logged_policy=LOGGED, new_policy=NEW):
    random = np.random.default_rng(seed)
    places = np.tile(np.arange(PLACES), lists)
    chosen = np.array([random.choice(ITEMS, p=logged_policy[place]) for place in places])
    numbers = np.repeat(np.arange(lists), PLACES)
    rounds = LoggedRounds(
        rewards=(random.random(len(places)) < RATES[places, chosen]).astype(np.float64),
        propensities=logged_policy[places, chosen],
        targets=new_policy[places, chosen],
        visitors=numbers // 2,
        lists=numbers,
        places=places,
    )
    return rounds, chosen


def predictions(rounds, chosen, *, error=0.0):
    rates = RATES + error
    return Predictions(shown=rates[rounds.places, chosen], expected=(NEW * rates).sum(axis=1)[rounds.places])


def estimates(count, lists, *, error):
    found = {"ips": [], "snips": [], "doubly_robust": [], "direct": []}
    for seed in range(count):
        rounds, chosen = logged(lists, seed=seed)
        estimate = estimate_policy(rounds, predictions(rounds, chosen, error=error), draws=2)
        for name, values in found.items():
            values.append(estimate.values[name].value)
    return {name: np.array(values) for name, values in found.items()}


def test_estimates_are_unbiased_and_a_model_takes_variance_away():
    found = estimates(300, 200, error=0.0)
    for name, values in found.items():
        # Four standard errors.
        assert abs(values.mean() - TRUTH) <= 4 * values.std() / len(values) ** 0.5 + 1e-12, name
    assert found["doubly_robust"].std() < found["snips"].std() < found["ips"].std()


def test_a_wrong_model_does_not_make_it_wrong():
    found = estimates(300, 200, error=0.2)
    robust = found["doubly_robust"]
    assert abs(robust.mean() - TRUTH) <= 4 * robust.std() / len(robust) ** 0.5
    assert abs(found["direct"].mean() - TRUTH) > 0.1


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
def test_intervals_cover_the_truth_about_as_often_as_they_say(name):
    covered = 0
    for seed in range(100):
        rounds, chosen = logged(300, seed=seed)
        metric = estimate_policy(rounds, predictions(rounds, chosen), draws=100).values[name]
        covered += metric.low <= TRUTH <= metric.high
    assert covered >= 85  # of 95; less than 1 in 10,000 by chance


def test_what_was_logged_is_the_mean_over_lists():
    rounds, _ = logged(50, seed=3, new_policy=LOGGED)
    estimate = estimate_policy(rounds)
    assert estimate.values["logged"].value == pytest.approx(rounds.rewards.sum() / 50)
    assert estimate.values["ips"] == estimate.values["logged"]
    assert estimate.values["snips"].value == pytest.approx(estimate.values["logged"].value)
    assert estimate.ahead["ips"].value == 0.0
    assert (estimate.lists, estimate.rounds, estimate.effective_rounds) == (50, 100, pytest.approx(100))
    assert estimate.mean_weight == 1.0
    assert set(estimate.values) == {"logged", "ips", "snips"}


def test_the_same_seed_gives_the_same_intervals():
    rounds, _ = logged(50, seed=3)
    assert estimate_policy(rounds, seed=1) == estimate_policy(rounds, seed=1)
    assert estimate_policy(rounds, seed=1) != estimate_policy(rounds, seed=2)


def test_clipped_weights_are_counted_and_lower_the_estimate():
    rounds, _ = logged(500, seed=3)
    clipped = estimate_policy(rounds, clip=1.0)
    assert clipped.clipped == int((rounds.targets > rounds.propensities).sum())
    assert clipped.largest_weight == pytest.approx(4.0)
    assert clipped.values["ips"].value < estimate_policy(rounds).values["ips"].value
    assert clipped.effective_rounds > estimate_policy(rounds).effective_rounds


def test_what_the_logged_policy_could_not_show_lowers_the_mean_weight():
    narrow = np.array([[0.5, 0.5, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0]])
    rounds, _ = logged(4_000, seed=3, logged_policy=narrow)
    assert estimate_policy(rounds, draws=2).mean_weight == pytest.approx((0.7 + 0.45) / 2, abs=0.05)


def test_weights_of_zero_give_nothing():
    rounds, _ = logged(10, seed=3, new_policy=np.zeros((PLACES, ITEMS)))
    estimate = estimate_policy(rounds)
    assert estimate.values["snips"].value == estimate.values["ips"].value == estimate.effective_rounds == 0.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"propensities": np.zeros(2)},
            r"propensities: expected more than 0 and at most 1, got 0\.0 in 2 of 2 rounds; send",
        ),
        ({"propensities": np.array([0.5, np.nan])}, r"propensities: .* got nan in 1 of 2"),
        ({"propensities": np.array([0.5, 1.5])}, r"propensities: .* got 1\.5 in 1 of 2"),
        ({"targets": np.array([0.5, -0.1])}, r"targets: expected probabilities"),
        ({"rewards": np.array([0.5, np.inf])}, r"rewards: expected finite"),
        ({"visitors": np.zeros(3, np.int64)}, r"visitors: expected 2 values, got 3"),
        ({"rewards": np.zeros(0)}, r"rounds: expected at least one"),
    ],
)
def test_what_cannot_be_estimated_is_named(changed, message):
    fine = {
        "rewards": np.zeros(2),
        "propensities": np.ones(2),
        "targets": np.ones(2),
        "visitors": np.zeros(2, np.int64),
        "lists": np.zeros(2, np.int64),
        "places": np.zeros(2, np.int64),
    }
    with pytest.raises(DatasetError, match=message):
        LoggedRounds(**fine | changed)


def test_no_model_is_asked_about_visitors_that_it_knows():
    random = np.random.default_rng(1)
    visitors = np.repeat(np.arange(400), 5)
    # A model that had seen the visitor would know the reward by the number.
    secret = random.random(400) < 0.3
    rewards = secret[visitors].astype(np.float64)
    models = RewardModels(visitors[:, None].astype(np.float64), rewards, visitors, seed=1, categorical=(0,))
    assert all(len(np.unique(models.folds[visitors == visitor])) == 1 for visitor in range(400))
    predicted = models.predict(visitors[:, None].astype(np.float64), models.folds)
    assert abs(predicted[rewards == 1].mean() - predicted[rewards == 0].mean()) < 0.1


def test_models_learn_what_is_known_of_items():
    rounds, chosen = logged(4_000, seed=5)
    features = np.stack([rounds.places, chosen], axis=1).astype(np.float64)
    models = RewardModels(features, rounds.rewards, rounds.visitors, seed=1, categorical=(0, 1))
    predicted = models.predict(features, models.folds)
    assert np.abs(predicted - RATES[rounds.places, chosen]).mean() < 0.05


def test_a_model_without_enough_rewards_predicts_the_mean():
    rewards = np.zeros(100)
    rewards[:2] = 1.0
    visitors = np.arange(100)
    models = RewardModels(np.zeros((100, 1)), rewards, visitors, seed=1)
    assert models.predict(np.zeros((100, 1)), models.folds).max() < 0.03


def test_rewards_of_a_model_are_0_or_1():
    with pytest.raises(DatasetError, match=r"rewards: expected 0 or 1"):
        RewardModels(np.zeros((2, 1)), np.array([0.0, 2.0]), np.arange(2), seed=1)
