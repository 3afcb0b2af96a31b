"""Rankings are tested as they are where numba is installed; ``compiled`` compares them with numpy's."""

from __future__ import annotations

import pytest

from presage_featurizer.ranking.compiled import load_kernels


@pytest.fixture(scope="session", autouse=True)
def compiled_functions():
    return load_kernels()
