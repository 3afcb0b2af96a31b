"""Small ranking models, tables, and bundles made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.bundle.ranking_spec import Interval, RankingSpec
from presage_export.ranking_exporter import export_ranking_model
from support.export_models import FEATURE_COUNT, labels_of, rows_of, train

if TYPE_CHECKING:
    from pathlib import Path

    import lightgbm
    from numpy.typing import NDArray

ITEMS = 50
NEIGHBOURS = 4
GROUP = 40


def ranking_model(*, rounds: int = 20, **params: Any) -> lightgbm.Booster:
    rows = rows_of(1_600)
    labels = (labels_of(rows) > 1).astype(int)
    return train(
        rows, labels, rounds=rounds, group=[GROUP] * (len(rows) // GROUP), **({"objective": "lambdarank"} | params)
    )


def tables_of(*, items: int = ITEMS, seed: int = 5) -> dict[str, NDArray[Any]]:
    """Tables as training makes them, of random neighbours and sessions."""
    random = np.random.default_rng(seed)
    starts = np.append(0, np.cumsum(random.integers(1, 6, 20)))
    members = random.integers(items, size=starts[-1])
    of_items = [np.flatnonzero(random.random(20) < 0.15)[::-1] for _ in range(items)]
    return {
        "digests": np.arange(items, dtype=np.uint64) * 7 + 1,
        "viewed_together.rows": random.integers(-1, items, (items, NEIGHBOURS)).astype(np.int32),
        "viewed_together.weights": random.random((items, NEIGHBOURS)).astype(np.float32),
        "sessions.starts": starts.astype(np.int32),
        "sessions.items": members.astype(np.int32),
        "sessions.item_starts": np.append(0, np.cumsum([len(of_item) for of_item in of_items])).astype(np.int32),
        "sessions.of_items": np.concatenate(of_items).astype(np.int32),
        "repeat_rates": random.random(items).astype(np.float32),
    }


def spec_of(**changes: Any) -> RankingSpec:
    fields: dict[str, Any] = {
        "question": "next-item",
        "bucket_seconds": 60,
        "limits": {"popular": 40},
        "sources": ("history", "popular"),
        "label_gains": (0.0, 1.0),
        "truncation_level": 20,
        "candidates_per_query": 40.0,
        "groups": (),
        "items": 0,
        "metrics": {"all": {"LambdaMART": {"ndcg_at_10": Interval(value=0.3, low=0.2, high=0.4)}}},
        "importances": {"feature_0": 1.0},
    }
    return RankingSpec(**(fields | changes))


def write_ranking_model(
    directory: Path, booster: Any, *, arrays: dict[str, NDArray[Any]] | None = None, **changes: Any
) -> Any:
    """Write the bundle of a booster; returns what the gate reports."""
    rows = rows_of(800, seed=9)
    return export_ranking_model(
        booster,
        directory,
        rows=rows,
        groups=[GROUP] * (len(rows) // GROUP),
        arrays=tables_of() if arrays is None else arrays,
        **({"feature_set": feature_set(), "ranking": spec_of(), "objective": "lambdarank"} | changes),
    )


def feature_set() -> FeatureSetSpec:
    return FeatureSetSpec(
        name="ranking",
        features=tuple(f"feature_{index}" for index in range(FEATURE_COUNT)),
        time_zone="UTC",
        countries=(),
        fingerprint="0" * 64,
    )
