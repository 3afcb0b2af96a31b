"""Small trained bundles that serve: the default model, and a second one with other features in another time zone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import lightgbm
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import write_bundle
from presage_export.bundle.manifest import FeatureSetSpec, Manifest
from presage_export.reading.lightgbm import read_lightgbm
from presage_featurizer import CONVERSION, CORE, FeatureSet
from support.export_models import explain_file, graph_of, margins_of, train

PARIS = FeatureSet(name="paris", features=CORE.features, time_zone="Europe/Paris", countries=("FR", "GB", "DE"))
"""All 27 features of the core, by the clock of Paris."""


def feature_rows(count: int, feature_set: FeatureSet, *, seed: int) -> NDArray[np.float32]:
    """Rows of the size that features have: float32 of shape (count, features), 0 or more, with many zeros."""
    random = np.random.default_rng(seed)
    rows = random.exponential(5.0, size=(count, len(feature_set.features)))
    rows[random.random(rows.shape) < 0.3] = 0.0
    return np.floor(rows).astype(np.float32)


def train_small(feature_set: FeatureSet = CONVERSION, *, seed: int = 0) -> lightgbm.Booster:
    """Train on rows whose label depends on views, carts and history, so that what a visitor does moves the score."""
    rows = feature_rows(2_000, feature_set, seed=seed)
    column = {name: place for place, name in enumerate(feature_set.features)}
    weights = {"product_views": 0.4, "add_to_cart_events": 0.6, "cart_items_count": 0.5, "hour_of_day": 0.1}
    signal = sum(weight * rows[:, column[name]] for name, weight in weights.items())
    return train(rows, signal > np.median(signal), rounds=20, objective="binary", seed=seed)


def write_small_bundle(
    models: Path,
    *,
    name: str = "conversion",
    version: str = "1",
    feature_set: FeatureSet = CONVERSION,
    seed: int = 0,
    covers: bool = True,
    optional_files: Mapping[str, bytes] | None = None,
) -> lightgbm.Booster:
    """Train a model and write its bundle to <models>/<name>/<version>; answers with the original model.

    Without covers, it lacks what explanations need.
    """
    booster = train_small(feature_set, seed=seed)
    golden_rows = feature_rows(64, feature_set, seed=seed + 1)
    manifest = Manifest(
        name=name,
        version=version,
        feature_set=FeatureSetSpec(**feature_set.definition),
        link=read_lightgbm(booster).link,
        objective="binary",
        trees=len(read_lightgbm(booster).trees),
    )
    write_bundle(
        models / name / version,
        manifest=manifest,
        model_bytes=graph_of(booster),
        golden_rows=golden_rows,
        golden_margins=margins_of(booster, golden_rows),
        optional_files=({"explain.npz": explain_file(booster, golden_rows)} if covers else {})
        | dict(optional_files or {}),
    )
    return booster
