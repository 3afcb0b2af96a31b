"""Proves on real rows that served models score as the libraries that trained them: ``python -m benchmarks.proofs.served_parity``.

Every order of Online Retail whose next 30 days are known becomes a row of the feature set ``behavior``. Models of every kind are
fitted on the first of them, exported through the gate, and served by one ``presage serve``. Then every row goes to every model over
gRPC, and each score is compared with what the fitted object of the training library says, in its own arithmetic.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.skew_proof import DATA
from benchmarks.rig.serving import local_store, presage_serve
from presage_client import Client, ClientOptions
from presage_featurizer import BEHAVIOR, EventType, FeatureSet
from presage_training.datasets.dataset import Dataset, build_dataset
from presage_training.datasets.targets import PurchaseWithin, RevenueWithin, Target
from presage_training.experiment import to_rows
from presage_training.models import KINDS, FitOptions, FittedModel, Rows, export_fitted, fit
from presage_training.readers import LogFormat, SkippedRows, read_events
from presage_training.replaying.decisions import AtTypes

__all__ = ["FEATURE_SET", "LOG", "TOLERANCE", "Parity", "fitted_kinds", "main", "served_parity"]

LOG = DATA / "online_retail.parquet"
"""The real log."""

FEATURE_SET = replace(BEHAVIOR, time_zone="Europe/London")

TOLERANCE = 1e-6
"""How far a served score may be from the library's: of the score where it is a probability, of the largest one otherwise.

A margin is served as float32, one step of which is 1.2e-7 of the number.
"""

_DAYS = 30
_FIT_ROWS = 6_000
_TUNE_ROWS = 3_000
_CALL_ROWS = 1_000
_WEEK_MICROS = 7 * 86_400 * 1_000_000
_PATIENT = ClientOptions(timeout_ms=30_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """How well the scores of one kind of model agree."""

    kind: str
    rows: int
    """Rows compared."""
    largest: float
    """The largest difference between a served score and the library's."""
    allowed: float
    """What it may be."""

    @property
    def holds(self) -> bool:
        """Whether every served score is the library's."""
        return self.largest <= self.allowed


def main() -> int:
    """Prove it for every kind; returns an exit code, 1 if a score differs."""
    console = Console()
    if not LOG.exists():
        console.print(f"served-parity: nothing compared, because {LOG.name} is not at {DATA}")
        return 0
    with tempfile.TemporaryDirectory(prefix="presage-parity-") as folder, console.status("reading") as status:
        rows, fitted = fitted_kinds(tuple(KINDS), on_progress=status.update)
        parities = served_parity(fitted, rows, Path(folder), feature_set=FEATURE_SET, on_progress=status.update)
    table = Table(
        *("model", "real rows", "largest difference", "allowed", "the same"),
        title="served over gRPC against the library that trained it",
        title_justify="left",
    )
    for one in parities:
        table.add_row(
            one.kind, f"{one.rows:,}", f"{one.largest:.1e}", f"{one.allowed:.1e}", "yes" if one.holds else "NO"
        )
    console.print(table)
    return 0 if all(one.holds for one in parities) else 1


def fitted_kinds(
    kinds: tuple[str, ...], *, on_progress: Callable[[str], None] = lambda _: None
) -> tuple[NDArray[np.float32], list[FittedModel]]:
    """Fit models on the real log.

    Returns:
        The features of all rows, those that the models were fitted on included, and the models.
    """
    of_task: dict[str, Rows] = {}
    targets: dict[str, Target] = {"classification": PurchaseWithin(_DAYS), "regression": RevenueWithin(_DAYS)}
    for task, target in targets.items():
        of_task[task] = to_rows(_dataset(target))
    # One list for each week: which of its buyers to write to first.
    bought = of_task["classification"]
    of_task["ranking"] = replace(bought, groups=bought.times_unix_micros // _WEEK_MICROS)
    fitted = []
    for kind in kinds:
        on_progress(f"fitting {kind}")
        rows = of_task[KINDS[kind]]
        places = np.arange(len(rows))
        train, tune = rows.take(places < _FIT_ROWS), rows.take(places >= len(rows) - _TUNE_ROWS)
        fitted.append(fit(kind, train, tune, seed=1, options=FitOptions(threads=2)))
    return bought.features, fitted


def served_parity(
    fitted: list[FittedModel],
    rows: NDArray[np.float32],
    folder: Path,
    *,
    feature_set: FeatureSet,
    on_progress: Callable[[str], None] = lambda _: None,
) -> list[Parity]:
    """Export models into a folder, serve them, and compare their scores of every row.

    Raises:
        ExportError: A model does not pass the gate.
    """
    for model in fitted:
        on_progress(f"exporting {model.kind}")
        export_fitted(model, folder / model.kind / "1", rows=rows, feature_set=feature_set)
    flags = ("--models", str(folder), "--default-model", fitted[0].kind)
    with local_store() as url, presage_serve(url, *flags) as address, Client(address, options=_PATIENT) as client:
        parities = []
        for model in fitted:
            on_progress(f"scoring {len(rows):,} rows with {model.kind}")
            served = np.array(list(_scores(client, model.kind, rows)))
            expected = model.predict(rows)
            scale = 1.0 if model.task == "classification" else max(1.0, float(np.abs(expected).max()))
            parities.append(
                Parity(
                    kind=model.kind,
                    rows=len(served),
                    largest=float(np.abs(served - expected).max()),
                    allowed=TOLERANCE * scale,
                )
            )
    return parities


def _dataset(target: Target) -> Dataset:
    return build_dataset(
        read_events(LOG, LogFormat.ONLINE_RETAIL, skipped=SkippedRows()),
        decisions=AtTypes(frozenset({EventType.PURCHASE})),
        target=target,
        feature_set=FEATURE_SET,
    )


def _scores(client: Client, model: str, rows: NDArray[np.float32]) -> Iterator[float]:
    for start in range(0, len(rows), _CALL_ROWS):
        for prediction in client.score_vectors(rows[start : start + _CALL_ROWS].tolist(), model=model):
            yield prediction.score


if __name__ == "__main__":
    sys.exit(main())
