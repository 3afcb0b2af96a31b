"""Small LightGBM models, rows to try them on, and bundles made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from presage_export.bundle import write_bundle
from presage_export.bundle.explaining.covers import pack_covers
from presage_export.bundle.manifest import FeatureSetSpec, Manifest
from presage_export.covers import read_covers
from presage_export.graph import build_graph
from presage_export.reading.lightgbm import read_lightgbm

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FEATURE_COUNT = 5

_QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 3}


def rows_of(count: int, *, seed: int = 0, missing: float = 0.0) -> NDArray[np.float32]:
    """Rows with zeros, repeated values, negatives and several scales; a share of ``missing`` values is NaN."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, FEATURE_COUNT)) * [1.0, 10.0, 0.1, 1000.0, 1.0]
    rows[:, 1] = np.round(rows[:, 1])
    rows[random.random(rows.shape) < 0.2] = 0.0
    rows[random.random(rows.shape) < missing] = np.nan
    return rows.astype(np.float32)


def labels_of(rows: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float64]:
    """Numbers that depend on the rows, missing values included, with some noise."""
    random = np.random.default_rng(seed)
    filled = np.nan_to_num(rows.astype(np.float64), nan=2.0)
    signal = filled[:, 0] + 0.1 * filled[:, 1] * (filled[:, 2] > 0) + (filled[:, 3] < 0) - (filled[:, 4] == 0)
    return signal + random.normal(scale=0.3, size=len(rows))


def train(
    rows: NDArray[Any], labels: NDArray[Any], *, rounds: int = 20, group: list[int] | None = None, **params: Any
) -> lightgbm.Booster:
    """Train on exactly these rows, in one thread, without a word."""
    params = {**_QUIET, **params}
    categorical = params.pop("categorical_feature", "auto")
    data = lightgbm.Dataset(
        rows.astype(np.float64),
        np.array(labels),  # a copy: LightGBM warns of slices
        group=group,
        categorical_feature=categorical,
        params=params,
        free_raw_data=False,
    )
    return lightgbm.train(params, data, rounds)


def binary_model(*, rounds: int = 20, **params: Any) -> lightgbm.Booster:
    rows = rows_of(1_000)
    return train(rows, labels_of(rows) > 0, rounds=rounds, objective="binary", **params)


def margins_of(booster: lightgbm.Booster, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return booster.predict(rows, raw_score=True, num_threads=1)


def explain_file(booster: lightgbm.Booster, rows: NDArray[np.float32]) -> bytes:
    """The bundle's explain.npz."""
    covers = read_covers(read_lightgbm(booster), rows)
    assert covers is not None
    return pack_covers(covers)


def graph_of(booster: lightgbm.Booster) -> bytes:
    return build_graph(read_lightgbm(booster))


def manifest_of(booster: lightgbm.Booster, **changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "name": "conversion",
        "version": "1",
        "feature_set": FeatureSetSpec(
            name="conversion",
            features=tuple(f"feature_{index}" for index in range(booster.num_feature())),
            time_zone="Europe/Paris",
            countries=("DE", "FR"),
            fingerprint="0" * 64,
        ),
        "link": read_lightgbm(booster).link,
        "objective": "binary",
        "trees": len(read_lightgbm(booster).trees),
        "metrics": {"auc": 0.75},
        "data": {"rows": 1_000, "source": "made up"},
        "libraries": {"lightgbm": lightgbm.__version__},
    }
    return Manifest(**(fields | changes))


def write_model(
    directory: Path, booster: lightgbm.Booster, *, golden_count: int = 64, overwrite: bool = False
) -> Manifest:
    """Write the bundle of a booster."""
    golden_rows = rows_of(golden_count, seed=9)
    return write_bundle(
        directory,
        manifest=manifest_of(booster, name=directory.parent.name, version=directory.name),
        model_bytes=graph_of(booster),
        golden_rows=golden_rows,
        golden_margins=margins_of(booster, golden_rows),
        overwrite=overwrite,
    )
