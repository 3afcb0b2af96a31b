"""Proves on random rows that explanations are those of others: ``python -m benchmarks.proofs.explain_parity``.

Three tree models each of LightGBM and XGBoost, and three forests and three boosted models of scikit-learn, are explained for 10,000
rows; a twentieth of the values is missing where the library takes missing ones. LightGBM and XGBoost have contributions of their
own; those of scikit-learn are compared with shap's, in an environment of its own, which is made once.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray
from rich.table import Table
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from benchmarks.rig.command import wide_console
from presage_export.bundle.explaining import Explainer
from presage_export.bundle.structure import check_graph
from presage_export.covers import read_covers
from presage_export.graph import build_graph
from presage_export.reading.source_model import read_source_model

__all__ = ["MODELS", "TOLERANCE", "ExplainParity", "compare", "main", "make_rows"]

TOLERANCE: Final = 1e-6
"""How far a contribution may be from the other's. XGBoost computes in float32: of it, for each unit that a row's contributions add
up to, whatever their signs, where that is above 1."""

_FEATURES = 20
_TRAINING_ROWS = 5_000
_SHAP = "0.51.0"
_ENVIRONMENT = Path(__file__).parents[2] / ".benchmarks" / "shap"
_MAKING_SECONDS = 900.0

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainParity:
    """How well the explanations of one model agree."""

    model: str
    beside: str
    """Whose contributions they were compared with."""
    rows: int
    largest: float
    """The largest difference of a contribution, or of the base, in multiples of what is allowed."""
    sums: float
    """The largest difference between the base and all contributions, added up, and the library's own margin, relative to it."""
    micros: float
    """The median time of an explanation."""

    @property
    def holds(self) -> bool:
        """Whether every contribution is the other's."""
        return self.largest <= 1.0


def make_rows(count: int, *, seed: int, missing: bool) -> NDArray[np.float32]:
    """Draw rows of 20 features, a third of them whole numbers."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, _FEATURES)).astype(np.float32)
    rows[:, ::3] = np.round(2.0 * rows[:, ::3])
    if missing:
        rows[random.random(rows.shape) < 0.05] = np.nan
    return rows


def _labels(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    filled = np.nan_to_num(rows.astype(np.float64), nan=1.5)
    noise = np.random.default_rng(1).normal(size=len(rows))
    return filled[:, 0] + filled[:, 1] * filled[:, 2] - np.abs(filled[:, 3]) + 0.5 * noise


def _lightgbm(**parameters: Any) -> Callable[[], Any]:
    def train() -> lightgbm.Booster:
        rows = make_rows(_TRAINING_ROWS, seed=0, missing=True)
        labels = _labels(rows)
        classes = parameters["objective"] == "binary"
        data = lightgbm.Dataset(rows.astype(np.float64), labels > 0 if classes else labels)
        return lightgbm.train({"verbosity": -1, "num_threads": 1, "seed": 1, **parameters}, data, 100)

    return train


def _xgboost(estimator: type[xgboost.XGBModel], **parameters: Any) -> Callable[[], Any]:
    def train() -> xgboost.XGBModel:
        rows = make_rows(_TRAINING_ROWS, seed=0, missing=True)
        labels = _labels(rows)
        classes = issubclass(estimator, xgboost.XGBClassifier)
        return estimator(n_estimators=100, n_jobs=1, **parameters).fit(rows, labels > 0 if classes else labels)

    return train


def _sklearn(estimator: type[Any], **parameters: Any) -> Callable[[], Any]:
    def train() -> Any:
        rows = make_rows(_TRAINING_ROWS, seed=0, missing=False)
        labels = _labels(rows)
        classes = estimator.__name__.endswith("Classifier")
        return estimator(random_state=1, **parameters).fit(rows, labels > 0 if classes else labels)

    return train


MODELS: Final[dict[str, Callable[[], Any]]] = {
    "lightgbm, 31 leaves": _lightgbm(objective="binary"),
    "lightgbm, depth 6, bagged": _lightgbm(objective="binary", max_depth=6, bagging_fraction=0.7, bagging_freq=1),
    "lightgbm, regression, 63 leaves": _lightgbm(objective="regression", num_leaves=63),
    "xgboost, depth 6": _xgboost(xgboost.XGBClassifier, max_depth=6),
    "xgboost, 31 leaves": _xgboost(xgboost.XGBClassifier, max_depth=0, max_leaves=31, grow_policy="lossguide"),
    "xgboost, regression, subsampled": _xgboost(xgboost.XGBRegressor, max_depth=5, subsample=0.7),
    "forest of classifiers": _sklearn(RandomForestClassifier, n_estimators=50, max_leaf_nodes=64),
    "forest of regressors": _sklearn(RandomForestRegressor, n_estimators=30, max_depth=8),
    "extra trees": _sklearn(ExtraTreesRegressor, n_estimators=30, max_depth=8),
    "boosting": _sklearn(GradientBoostingClassifier),
    "boosting, subsampled": _sklearn(GradientBoostingClassifier, subsample=0.6, max_depth=5),
    "boosting, regression": _sklearn(GradientBoostingRegressor, max_depth=4),
}
"""What trains each model, by its name."""


def main(arguments: list[str] | None = None) -> int:
    """Prove it for every model; returns an exit code, 1 if a contribution differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.explain_parity")
    parser.add_argument("--rows", type=int, default=10_000, help="random rows (default: %(default)s)")
    parser.add_argument("--python", help="the interpreter of an environment that has shap; made unless given")
    given = parser.parse_args(arguments)
    console = wide_console()
    try:
        with console.status("training") as status:
            parities = list(compare(MODELS, given.rows, given.python, on_progress=status.update))
    except (OSError, subprocess.SubprocessError) as error:
        console.print(f"explain-parity: shap cannot be run: {error}")
        return 1
    table = Table(
        *("model", "beside", "rows", "difference / allowed", "sum / margin - 1", "p50 µs", "the same"),
        title=f"contributions of {_FEATURES} features; {TOLERANCE:g} is allowed",
        title_justify="left",
    )
    for one in parities:
        found = (f"{one.largest:.1e}", f"{one.sums:.1e}", f"{one.micros:,.0f}", "yes" if one.holds else "NO")
        table.add_row(one.model, one.beside, f"{one.rows:,}", *found)
    console.print(table)
    return 0 if all(one.holds for one in parities) else 1


def compare(
    models: dict[str, Callable[[], Any]],
    count: int,
    python: str | None = None,
    *,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Iterator[ExplainParity]:
    """Explain rows with models, and compare with what others say.

    Args:
        models: What trains each model, by name.
        count: How many rows.
        python: The interpreter of an environment that has shap; one is made where a model needs it, and none is given.
        on_progress: Called with a short description of each step.

    Raises:
        OSError: shap is needed, and its environment cannot be made.
        subprocess.SubprocessError: The same, or shap fails.
    """
    trained = {}
    for name, train in models.items():
        on_progress(f"training {name}")
        trained[name] = train()
    foreign = {name: model for name, model in trained.items() if not _has_contributions(model)}
    on_progress("explaining with shap")
    by_shap = _by_shap(foreign, count, python) if foreign else {}
    for name, model in trained.items():
        on_progress(f"explaining {name}")
        rows = make_rows(count, seed=2, missing=_has_contributions(model))
        theirs, beside = (by_shap[name], f"shap {_SHAP}") if name in by_shap else _own_contributions(model, rows)
        yield _compare(name, model, rows, theirs, beside)


def _has_contributions(model: Any) -> bool:
    return isinstance(model, (lightgbm.Booster, xgboost.XGBModel))


def _own_contributions(model: Any, rows: NDArray[np.float32]) -> tuple[Matrix, str]:
    """Return the base and the contributions by the library itself, [N, 1 + F]."""
    if isinstance(model, lightgbm.Booster):
        found, beside = model.predict(rows, pred_contrib=True, num_threads=1), "lightgbm"
    else:
        found, beside = model.get_booster().predict(xgboost.DMatrix(rows), pred_contribs=True), "xgboost"
    return np.roll(np.asarray(found, dtype=np.float64), 1, axis=1), beside


def _by_shap(models: dict[str, Any], count: int, python: str | None) -> dict[str, Matrix]:
    with tempfile.TemporaryDirectory(prefix="presage-shap-") as name:
        folder = Path(name)
        np.save(folder / "rows.npy", make_rows(count, seed=2, missing=False))
        for place, model in enumerate(models.values()):
            (folder / f"{place}.pickle").write_bytes(pickle.dumps(model))
        script = Path(__file__).with_name("shap_contributions.py")
        subprocess.run([python or _make_environment(), script, folder], check=True, env=_environment())
        return {name: np.load(folder / f"{place}.npy") for place, name in enumerate(models)}


def _make_environment() -> str:
    """Make an environment with shap unless it is there; returns its interpreter."""
    python = _ENVIRONMENT / "bin" / "python"
    if not python.exists():
        wanted = [f"shap=={_SHAP}", *(f"{name}=={version(name)}" for name in ("scikit-learn", "numpy"))]
        for command in (
            [sys.executable, "-m", "venv", _ENVIRONMENT],
            [python, "-m", "pip", "install", "--quiet", *wanted],
        ):
            subprocess.run(command, check=True, timeout=_MAKING_SECONDS, env=_environment())
    return str(python)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _compare(name: str, model: Any, rows: NDArray[np.float32], theirs: Matrix, beside: str) -> ExplainParity:
    source = read_source_model(model)
    graph, ensemble = check_graph(build_graph(source.model), feature_count=_FEATURES)
    explainer = Explainer(graph, ensemble, read_covers(source.model, rows), feature_count=_FEATURES)
    explainer.explain(rows[0])  # compiles the paths
    ours, times = np.empty_like(theirs), []
    for place, row in enumerate(rows):
        began = time.perf_counter()
        explanation = explainer.explain(row)
        times.append(time.perf_counter() - began)
        ours[place] = [explanation.base_margin, *explanation.contributions]
    allowed = np.full(len(rows), TOLERANCE)
    if beside == "xgboost":
        allowed *= np.maximum(1.0, np.abs(theirs).sum(axis=1))
    margins = source.margins(rows)
    return ExplainParity(
        model=name,
        beside=beside,
        rows=len(rows),
        largest=float((np.abs(ours - theirs).max(axis=1) / allowed).max()),
        sums=float((np.abs(ours.sum(axis=1) - margins) / np.maximum(1.0, np.abs(margins))).max()),
        micros=float(np.median(times)) * 1e6,
    )


if __name__ == "__main__":
    sys.exit(main())
