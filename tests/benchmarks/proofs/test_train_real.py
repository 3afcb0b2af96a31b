from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.logs import shop

from benchmarks.proofs import feature_groups, train_real
from presage_featurizer import BEHAVIOR, CATALOGUE
from presage_training.datasets.dataset import purchase_in_session


def test_every_feature_is_in_one_group():
    grouped = [name for group in feature_groups.FEATURE_GROUPS.values() for name in group]

    assert sorted(grouped) == sorted(BEHAVIOR.features)


def test_what_knows_of_carts_is_left_out_by_name():
    assert set(BEHAVIOR.features) > feature_groups.CART_FEATURES
    for name in set(BEHAVIOR.features) - feature_groups.CART_FEATURES:
        assert "cart" not in name or name == "overall_conversion_rate"
        assert CATALOGUE[name].scope != "cart"


def test_leaving_features_out_leaves_the_others_as_they_are():
    dataset = purchase_in_session(shop(visitors=50), BEHAVIOR)
    part = feature_groups.without(dataset, feature_groups.CART_FEATURES)

    assert len(part.feature_set.features) == len(BEHAVIOR.features) - len(feature_groups.CART_FEATURES)
    for place, name in enumerate(part.feature_set.features):
        np.testing.assert_array_equal(part.features[:, place], dataset.features[:, BEHAVIOR.features.index(name)])


def test_without_the_logs_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(train_real, "REES46", Path("none/rees46.parquet"))

    assert train_real.main([]) == 0
    assert "train-real: skipped, because" in capsys.readouterr().out


@pytest.mark.parametrize("path", [train_real.ONLINE_RETAIL, train_real.REES46])
def test_it_knows_where_the_logs_are(path):
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    assert path.suffix == ".parquet"
