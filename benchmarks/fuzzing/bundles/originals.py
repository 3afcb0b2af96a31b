"""Bundles that are changed: one of each kind that serves, small ones of other models, and those that come with Presage."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks.fuzzing.bundles.mutations import Files
from benchmarks.rig.server_parts import shipped_models
from presage_export.bundle.calibration import IsotonicCalibration
from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.exporter import export_model
from presage_export.gate import random_rows
from presage_export.reading.source_model import WeightedSum
from presage_featurizer import RFM

__all__ = ["Original", "read_files", "write_originals"]

_SHIPPED = {"conversion": "3", "ranking": "1"}


class Original:
    """A bundle as it was written.

    Args:
        directory: Where, <name>/<version>.
    """

    def __init__(self, directory: Path) -> None:
        self.name, self.version = directory.parent.name, directory.name
        self.files: Files = read_files(directory)


def read_files(directory: Path) -> Files:
    """Read all files of a bundle, by their names in it."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def write_originals(folder: Path) -> list[Original]:
    """Write boosted trees, a forest, trees with a linear part and a calibration; and copy what comes with Presage."""
    rows = feature_rows(800, seed=1)
    labels = rows[:, 0] + rows[:, 2] > 10
    booster = _boosted(rows, labels)
    forest = RandomForestClassifier(8, max_leaf_nodes=10, random_state=0).fit(rows, labels)
    logistic = LogisticRegression().fit(rows, labels)
    calibration = IsotonicCalibration(margins=(-3.0, -1.0, 0.0, 1.5, 4.0), probabilities=(0.02, 0.1, 0.4, 0.8, 0.97))
    models: Mapping[str, tuple[object, IsotonicCalibration | None]] = {
        "boosted": (booster, None),
        "forest": (forest, None),
        "blend": (
            WeightedSum(members=(booster, logistic), weights=(0.5, 0.5), intercept=0.25, link="logit"),
            calibration,
        ),
    }
    spec = FeatureSetSpec(**RFM.definition)
    for name, (model, calibrated) in models.items():
        export_model(
            model, folder / name / "1", rows=rows, feature_set=spec, objective="binary", calibration=calibrated
        )
    for name, version in _SHIPPED.items():
        shutil.copytree(shipped_models() / name / version, folder / name / version)
    return [Original(path) for path in sorted(folder.glob("*/*"))]


def feature_rows(count: int, *, seed: int, width: int = len(RFM.features)) -> NDArray[np.float32]:
    """Rows of the size that features have, with many zeros."""
    random = np.random.default_rng(seed)
    rows = random.exponential(5.0, size=(count, width))
    rows[random.random(rows.shape) < 0.3] = 0.0
    return np.floor(rows).astype(np.float32)


def probes_of(width: int) -> NDArray[np.float32]:
    """Rows of all sorts to compare scores with."""
    rows = feature_rows(500, seed=2, width=width)
    return np.concatenate([rows, random_rows(rows)]).astype(np.float32)


def _boosted(rows: NDArray[np.float32], labels: NDArray[np.bool_]) -> object:
    import lightgbm  # noqa: PLC0415 - it takes a second

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        params = {"objective": "binary", "num_leaves": 10, "verbose": -1, "num_threads": 1, "deterministic": True}
        return lightgbm.train(params, lightgbm.Dataset(rows.astype(np.float64), labels), 12)
