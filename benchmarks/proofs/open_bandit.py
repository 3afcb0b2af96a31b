"""Whether estimates of another policy meet what it brought: ``python -m benchmarks.proofs.open_bandit``.

The Open Bandit data have a week of a fashion shop's page under two policies at once, with the true propensity of each item:
uniformly random, and Thompson sampling ("bts"). What either brought can thus be estimated from the log of the other, and compared
with what it brought. The data are not part of the project.

Thompson sampling changes with what it learns. What is estimated is the mean of its week: the share of each item at each place.

Ends with 1 if an interval does not meet that of what was brought.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.train_real import REES46
from presage_training.ranking.policies.off_policy import LoggedRounds, PolicyEstimate, Predictions, estimate_policy
from presage_training.ranking.policies.remarks import remarks
from presage_training.ranking.policies.rewards import RewardModels
from presage_training.report.metrics import Metric

__all__ = ["Campaign", "main"]

LOG = REES46.with_name("open_bandit_small.parquet")
_POLICIES = ("random", "bts")
_CATEGORICAL = (0, 1, 2, 3, 4, 5)

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    """One policy's rounds of one campaign."""

    items: Numbers
    places: Numbers
    """From 0."""
    clicks: Floats
    propensities: Floats
    users: Numbers
    """Shape (rounds, 4): codes of what is known of the user."""
    affinities: Floats
    """Shape (rounds, items): how near each item is to what the user liked."""

    @classmethod
    def read(cls, table: Any) -> Campaign:
        """Read an Arrow table of one policy and campaign."""
        numbers = {name: table[name].to_numpy() for name in ("item_id", "position", "click", "propensity")}
        users = [
            np.unique(table[f"user_feature_{place}"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
            for place in range(4)
        ]
        affinities = [table[name].to_numpy() for name in table.column_names if name.startswith("user-item_affinity_")]
        return cls(
            items=numbers["item_id"].astype(np.int64),
            places=numbers["position"].astype(np.int64) - 1,
            clicks=numbers["click"].astype(np.float64),
            propensities=numbers["propensity"].astype(np.float64),
            users=np.stack(users, axis=1).astype(np.int64),
            affinities=np.stack([column for column in affinities if not np.isnan(column).all()], axis=1),
        )

    @property
    def policy(self) -> Floats:
        """The share of each item at each place, shape (places, items): the policy's mean over the week."""
        counts = np.zeros((int(self.places.max()) + 1, self.affinities.shape[1]))
        np.add.at(counts, (self.places, self.items), 1.0)
        return counts / counts.sum(axis=1, keepdims=True)

    def features(self, items: Numbers) -> Floats:
        """Return what is known of each round if it shows these items."""
        rounds = np.arange(len(items))
        known = [self.places, items, *self.users.T, self.affinities[rounds, items]]
        return np.stack(known, axis=1).astype(np.float64)


def estimate(log: Campaign, policy: Floats, *, seed: int, draws: int) -> PolicyEstimate:
    """Estimate a policy, given by its shares, from the log of another."""
    rounds = np.arange(len(log.items))
    logged = LoggedRounds(
        rewards=log.clicks,
        propensities=log.propensities,
        targets=policy[log.places, log.items],
        visitors=rounds,  # the data do not name users
        lists=rounds,
        places=log.places,
    )
    features = log.features(log.items)
    models = RewardModels(features, log.clicks, rounds, seed=seed, categorical=_CATEGORICAL)
    expected = np.zeros(len(rounds))
    for item in range(policy.shape[1]):
        every = models.predict(log.features(np.full(len(rounds), item)), models.folds)
        expected += policy[log.places, item] * every
    predicted = Predictions(shown=models.predict(features, models.folds), expected=expected)
    return estimate_policy(logged, predicted, seed=seed, draws=draws)


def main(arguments: list[str] | None = None) -> int:
    """Estimate each policy from the log of the other and print both beside what was brought."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.open_bandit")
    parser.add_argument("--log", type=Path, default=LOG, help="the data, as one Parquet file")
    parser.add_argument("--draws", type=int, default=1_000, help="draws that each interval rests on")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same intervals")
    given = parser.parse_args(arguments)
    console = Console(emoji=False, markup=False)
    if not given.log.exists():
        console.print(f"open-bandit: skipped, because {given.log.name} is not at {given.log.parent}", soft_wrap=True)
        return 0
    table = pq.read_table(given.log)
    missed = 0
    for name in sorted(set(table["campaign"].to_pylist())):
        campaign = {
            policy: _rows(table, lambda row, policy=policy, name=name: row == (policy, name)) for policy in _POLICIES
        }
        for logged, other in (_POLICIES, _POLICIES[::-1]):
            found = estimate(campaign[logged], _policy(campaign, other), seed=given.seed, draws=given.draws)
            brought = estimate(campaign[other], _policy(campaign, other), seed=given.seed, draws=given.draws)
            missed += _show(console, f"{name}: {other} from the log of {logged}", found, brought.values["logged"])
    console.print(
        "An estimate covers if its interval has the value that was brought, and meets if the two intervals overlap.",
        soft_wrap=True,
    )
    return 1 if missed else 0


def _policy(campaigns: dict[str, Campaign], name: str) -> Floats:
    if name == "random":
        shape = campaigns[name].policy.shape
        return np.full(shape, 1.0 / shape[1])
    return campaigns[name].policy


def _rows(table: Any, wanted: Callable[[tuple[str, str]], bool]) -> Campaign:
    rows = zip(table["policy"].to_pylist(), table["campaign"].to_pylist(), strict=True)
    return Campaign.read(table.filter([wanted(row) for row in rows]))


def _show(console: Console, title: str, found: PolicyEstimate, brought: Metric) -> int:
    """Print one direction; return how many estimates do not meet what was brought."""
    table = Table("", "clicks a round", "covers", "meets", box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_row("brought", _text(brought), "", "")
    missed = 0
    for name, metric in found.values.items():
        if name == "logged":
            table.add_row("the log's own policy", _text(metric), "", "")
            continue
        covers = _low(metric) <= (brought.value or 0.0) <= _high(metric)
        meets = _low(metric) <= _high(brought) and _low(brought) <= _high(metric)
        missed += name != "direct" and not meets  # a model alone promises nothing
        table.add_row(name, _text(metric), "yes" if covers else "no", "yes" if meets else "NO")
    console.print(table)
    console.print(
        f"{found.rounds:,} rounds are worth {found.effective_rounds:,.0f}; weights are {found.mean_weight:.3f} on average,"
        f" {found.largest_weight:.1f} at most",
        soft_wrap=True,
    )
    for remark in remarks(found):
        console.print(f"warning: {remark}", soft_wrap=True)
    console.print()
    return missed


def _text(metric: Metric) -> str:
    return f"{metric.value:.5f} [{metric.low:.5f}, {metric.high:.5f}]"


def _low(metric: Metric) -> float:
    return metric.low if metric.low is not None else 0.0


def _high(metric: Metric) -> float:
    return metric.high if metric.high is not None else 0.0


if __name__ == "__main__":
    sys.exit(main())
