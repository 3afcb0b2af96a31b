"""A bundle that tests may change."""

from __future__ import annotations

import lightgbm
import pytest

from support.export_models import binary_model, write_model


@pytest.fixture(scope="module")
def booster() -> lightgbm.Booster:
    return binary_model()


@pytest.fixture
def directory(tmp_path, booster):
    write_model(tmp_path / "conversion" / "1", booster)
    return tmp_path / "conversion" / "1"
