"""The search for a learner's parameters, by validation in the order of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_export.reading.source_model import source_margins
from presage_training.errors import DatasetError
from presage_training.models.folds import Fold, time_ordered_folds
from presage_training.models.learners import Learner, Parameters
from presage_training.models.losses import Task, loss_of
from presage_training.models.rows import Rows

__all__ = ["Candidate", "SearchResult", "search", "usable_folds"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Parameters, and their loss."""

    parameters: Parameters
    """With ``rounds``, the median over the folds, if the learner stops early."""
    loss: float
    """Mean over all validated rows; see ``loss_of``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchResult:
    best: Candidate
    """The candidate with the lowest loss; of equals, the first."""
    candidates: tuple[Candidate, ...]
    """All candidates, in the order of the space."""
    validated: NDArray[np.intp]
    """Indices of the rows that some fold validated on."""
    margins: NDArray[np.float64]
    """The best candidate's margins for them, each by a model of earlier rows only."""


def search(learner: Learner, rows: Rows, *, folds: int, seed: int, threads: int) -> SearchResult:
    """Try every candidate of a learner's space on every fold.

    Raises:
        DatasetError: No fold has enough training and validation rows.
    """
    usable = usable_folds(learner.task, rows, folds)
    validated = np.concatenate([fold.validation for fold in usable])
    tried = [_try(learner, parameters, rows, usable, seed=seed, threads=threads) for parameters in learner.space]
    best = int(np.argmin([candidate.loss for candidate, _ in tried]))
    return SearchResult(
        best=tried[best][0],
        candidates=tuple(candidate for candidate, _ in tried),
        validated=validated,
        margins=tried[best][1],
    )


def usable_folds(task: Task, rows: Rows, count: int) -> list[Fold]:
    """Make time-ordered folds, without those that have a class missing on either side.

    Raises:
        DatasetError: None is left.
    """
    folds = time_ordered_folds(rows, count)
    if task == "classification":
        folds = [
            fold
            for fold in folds
            if all(0 < rows.targets[part].sum() < len(part) for part in (fold.train, fold.validation))
        ]
    if not folds:
        raise DatasetError(
            f"no cut in time through {len(rows)} training rows, {int((rows.targets > 0).sum())} of them positive, "
            "leaves both kinds on both sides: use a longer log"
        )
    return folds


def _try(
    learner: Learner, parameters: Parameters, rows: Rows, folds: list[Fold], *, seed: int, threads: int
) -> tuple[Candidate, NDArray[np.float64]]:
    margins: list[NDArray[np.float64]] = []
    losses: list[float] = []
    rounds: list[int] = []
    for fold in folds:
        validation = rows.take(fold.validation)
        trained = learner.train(rows.take(fold.train), validation, parameters, seed, threads)
        margins.append(source_margins(trained, validation.features))
        losses.append(loss_of(learner.task, learner.link, validation, margins[-1]))
        if learner.rounds is not None:
            rounds.append(learner.rounds(trained))
    chosen = {**parameters, "rounds": max(1, int(np.median(rounds)))} if rounds else dict(parameters)
    loss = float(np.average(losses, weights=[len(fold.validation) for fold in folds]))
    return Candidate(chosen, loss), np.concatenate(margins)
