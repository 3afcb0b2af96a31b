from __future__ import annotations

import os
import signal
from dataclasses import fields
from multiprocessing import active_children

import numpy as np
import pytest
from training.logs import shop

from presage_featurizer import CORE, FeatureValueError
from presage_featurizer.custom import CustomFeatures
from presage_training.datasets.dataset import build_dataset
from presage_training.datasets.targets import PurchaseInSession, RevenueWithin
from presage_training.errors import DatasetError, WorkerError
from presage_training.replaying.decisions import Calendar, EveryEvent
from presage_training.replaying.workers import record
from support.projects import custom_features


@pytest.fixture(scope="module")
def events():
    return shop(visitors=120)


def contents(dataset) -> dict[str, object]:
    """All of a dataset: arrays as their dtype and bytes."""
    values = {each.name: getattr(dataset, each.name) for each in fields(dataset)}
    values |= {f"served {each.name}": getattr(dataset.served, each.name) for each in fields(values.pop("served"))}
    return {
        name: (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


@pytest.mark.parametrize(("decisions", "target"), [(EveryEvent(), PurchaseInSession()), (Calendar(), RevenueWithin(2))])
def test_the_rows_are_the_same_however_many_workers_there_are(events, decisions, target):
    one, two, three = (
        contents(build_dataset(events, decisions=decisions, target=target, feature_set=CORE, workers=workers))
        for workers in (1, 2, 3)
    )

    assert one == two == three
    assert not active_children()


def test_own_features_reach_the_workers():
    feature_set = custom_features().feature_set
    events = shop(visitors=8)
    one, two = (
        record(events, decisions=EveryEvent(), feature_set=feature_set, workers=workers).rows for workers in (1, 2)
    )
    assert one.features.tobytes() == two.features.tobytes()
    assert one.features.shape == (len(one), len(feature_set.features))


def test_more_workers_than_visitors_are_fine():
    log = shop(visitors=1)

    assert len(record(log, decisions=EveryEvent(), feature_set=CORE, workers=3).rows) == len(log)
    assert len(record([], decisions=EveryEvent(), feature_set=CORE, workers=2).rows) == 0


def test_a_worker_that_ends_early_is_an_error(events):
    def murderous():
        for place, event in enumerate(events * 40):
            if place == 2_000:
                os.kill(active_children()[0].pid, signal.SIGKILL)
            yield event

    with pytest.raises(WorkerError, match="one of 2 worker processes ended early"):
        record(murderous(), decisions=EveryEvent(), feature_set=CORE, workers=2)
    assert not active_children()


def test_a_log_that_cannot_be_read_on_ends_the_workers(events):
    def broken():
        yield from events
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        record(broken(), decisions=EveryEvent(), feature_set=CORE, workers=2)
    assert not active_children()


@pytest.mark.parametrize("workers", [0, -1, 65])
def test_a_number_of_workers_that_cannot_be_is_refused(workers):
    with pytest.raises(DatasetError, match=f"workers: expected a whole number from 1 to 64, got {workers}"):
        record([], decisions=EveryEvent(), feature_set=CORE, workers=workers)


FAILING = """
from presage_featurizer import View
from presage_featurizer.custom import feature

@feature(unit="ratio")
def inverse(view: View) -> float:
    \"\"\"Fails for a visitor's third event.\"\"\"
    return 1.0 / (view.session.event_count - 3)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_an_own_feature_that_fails_is_named_whatever_the_number_of_workers(events, workers):
    custom = CustomFeatures.parse('name = "shop"\nextends = "core"\n', FAILING)
    with pytest.raises(FeatureValueError, match="inverse"):
        record(events * 20, decisions=EveryEvent(), feature_set=custom.feature_set, workers=workers)
    assert not active_children()
