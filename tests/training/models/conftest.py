"""Every kind, fitted at most once in each worker."""

from __future__ import annotations

import pytest
from training.models.data import parts_of

from presage_training.models import KINDS, FitOptions, fit


class FittedKinds(dict):
    """``{kind: (fitted, test rows)}``, each fitted when it is first asked for; ensembles take members that are there."""

    def __missing__(self, kind):
        train, tune, test = parts_of(2_500, task=KINDS[kind])
        members = [fitted for fitted, _ in self.values()]
        self[kind] = fit(kind, train, tune, seed=1, options=FitOptions(folds=2), members=members), test
        return self[kind]


@pytest.fixture(scope="session")
def fitted_kinds():
    """Every kind on a few rows of made-up visitors."""
    return FittedKinds()
