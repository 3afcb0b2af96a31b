from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.proofs import open_bandit

ITEMS, PLACES, ROUNDS = 4, 3, 3_000


def written(path, *, claimed=1.0):
    """Write a log of two policies that differ; the propensities are right if 1 is claimed."""
    random = np.random.default_rng(5)
    rates = np.array([0.05, 0.1, 0.2, 0.4])
    tables = []
    for policy, shares in (("random", np.full(ITEMS, 0.25)), ("bts", np.array([0.1, 0.2, 0.3, 0.4]))):
        items = random.choice(ITEMS, ROUNDS, p=shares)
        columns = {
            "policy": [policy] * ROUNDS,
            "campaign": ["men"] * ROUNDS,
            "item_id": items,
            "position": random.integers(1, PLACES + 1, ROUNDS),
            "click": (random.random(ROUNDS) < rates[items]).astype(np.int64),
            "propensity": np.minimum(1.0, shares[items] * claimed),
            **{f"user_feature_{place}": random.choice(["a", "b"], ROUNDS) for place in range(4)},
            **{f"user-item_affinity_{item}": random.random(ROUNDS) for item in range(ITEMS)},
            "user-item_affinity_4": np.full(ROUNDS, np.nan),
        }
        tables.append(pa.table(columns))
    pq.write_table(pa.concat_tables(tables), path)
    return path


def test_estimates_meet_what_was_brought(tmp_path, capsys):
    log = written(tmp_path / "log.parquet")
    assert open_bandit.main(["--log", str(log), "--draws", "100"]) == 0
    printed = capsys.readouterr().out
    assert "men: bts from the log of random" in printed
    assert "men: random from the log of bts" in printed
    assert "warning" not in printed


def test_wrong_propensities_are_found_out(tmp_path, capsys):
    log = written(tmp_path / "log.parquet", claimed=2.0)
    assert open_bandit.main(["--log", str(log), "--draws", "100"]) == 1
    assert "weights are 0.5" in capsys.readouterr().out


def test_without_the_data_it_says_so(capsys):
    assert open_bandit.main(["--log", "none/open_bandit_small.parquet"]) == 0
    assert "open-bandit: skipped, because open_bandit_small.parquet is not at none" in capsys.readouterr().out


def test_the_value_of_thompson_sampling_from_the_random_log():
    path = Path(open_bandit.LOG)
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    table = pq.read_table(path, filters=[("campaign", "=", "men")])
    logged, other = (
        open_bandit.Campaign.read(table.filter(pc.equal(table["policy"], name))) for name in ("random", "bts")
    )
    found = open_bandit.estimate(logged, other.policy, seed=7, draws=1_000)
    # As an independent script found: .0057 [.0032, .0085], worth 2,869 rounds.
    assert found.values["ips"].value == pytest.approx(0.0057, abs=1e-4)
    assert found.values["ips"].low == pytest.approx(0.0032, abs=2e-4)
    assert found.values["ips"].high == pytest.approx(0.0085, abs=2e-4)
    assert round(found.effective_rounds) == 2_869
