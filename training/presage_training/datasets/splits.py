"""Splits of a dataset into parts that share no information: by time, by visitor, or both."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from presage_training.datasets.dataset import Dataset, check_labels
from presage_training.errors import DatasetError
from presage_training.times import format_time

__all__ = ["grouped_folds", "split_by_time", "split_by_time_and_visitor"]


def split_by_time(
    dataset: Dataset, share: float, *, names: tuple[str, str] = ("earlier", "later")
) -> tuple[Dataset, Dataset]:
    """Split so that every row of the first part ended before any row of the second began.

    Args:
        dataset: The rows.
        share: The share of the rows' time that the first part covers, between 0 and 1.
        names: What errors call the parts.

    Returns:
        The rows whose span ended before the cut, and those whose span began at the cut or later; rows whose span crosses the cut
        are in neither, so no label of the first part depends on the time of the second.

    Raises:
        DatasetError: One of the parts would be empty, or have labels of one kind only.
    """
    cut, before, after = _sides(dataset, share)
    return _parts(dataset, cut, (before, after), names)


def split_by_time_and_visitor(
    dataset: Dataset, share: float, *, seed: int, visitor_share: float = 0.7
) -> tuple[Dataset, Dataset]:
    """Split by time, and so that no visitor is in both parts.

    The visitors of the first part are drawn at random, not by their first visit: otherwise the second part would contain new
    visitors only.

    Args:
        dataset: The rows.
        share: The share of the rows' time that the first part covers, between 0 and 1.
        seed: The same seed draws the same visitors.
        visitor_share: The share of visitors that may be in the first part, between 0 and 1; the others may be in the second.

    Returns:
        The first visitors' rows whose span ended before the cut, and the other visitors' rows whose span began at the cut or later.

    Raises:
        DatasetError: One of the parts would be empty, or have labels of one kind only.
    """
    cut, before, after = _sides(dataset, share)
    visitors, visitor_indices = np.unique(dataset.visitors, return_inverse=True)
    first = np.random.default_rng(seed).permutation(len(visitors)) < round(len(visitors) * visitor_share)
    masks = before & first[visitor_indices], after & ~first[visitor_indices]
    return _parts(dataset, cut, masks, ("earlier", "later"), whose=" and of its own visitors,")


def grouped_folds(dataset: Dataset, folds: int, *, seed: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Split into folds of visitors, for cross-validation: each visitor's rows are all in one fold.

    Visitors with a positive row and those without are distributed separately, so that every fold has its share of both. Time is
    ignored: this is for logs that are too short to be split by time.

    Args:
        dataset: The rows.
        folds: The number of folds, at least 2.
        seed: The same seed gives the same folds.

    Returns:
        For each fold, the masks of the rows to train on and of those to test on.

    Raises:
        DatasetError: There are fewer than 2 folds, or a fold would have no rows or labels of one kind only.
    """
    if folds < 2:
        raise DatasetError(f"folds: expected at least 2, got {folds}")
    check_labels(dataset)
    visitors, visitor_indices = np.unique(dataset.visitors, return_inverse=True)
    is_positive = np.zeros(len(visitors), dtype=np.bool_)
    is_positive[visitor_indices[dataset.positive]] = True
    if len(visitors) < folds:
        raise DatasetError(f"{folds} folds need as many visitors, got {len(visitors)}: use fewer folds or a longer log")
    shuffled = np.random.default_rng(seed).permutation(len(visitors))
    ordered = shuffled[np.argsort(is_positive[shuffled], kind="stable")]
    fold_of_visitor = np.empty(len(visitors), dtype=np.int64)
    fold_of_visitor[ordered] = np.arange(len(visitors)) % folds
    fold_of_row = fold_of_visitor[visitor_indices]
    if dataset.labels.dtype == np.bool_:
        for kind, of_kind in (("positive", dataset.positive), ("negative", ~dataset.positive)):
            without = folds - len(np.unique(fold_of_row[of_kind]))
            if without:
                raise DatasetError(
                    f"{without} of {folds} folds over {len(visitors)} visitors would have no {kind} row: "
                    "use fewer folds or a longer log"
                )
    return ((fold_of_row != fold, fold_of_row == fold) for fold in range(folds))


def _sides(dataset: Dataset, share: float) -> tuple[int, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the time of the cut, and the masks of the rows before and after it."""
    if not 0.0 < share < 1.0:
        raise DatasetError(f"share of the time: expected a number between 0 and 1, got {share}")
    if not len(dataset):
        raise DatasetError("there are no rows to split: use a longer log")
    first, last = int(dataset.times_unix_micros.min()), int(dataset.times_unix_micros.max())
    cut = first + round((last - first) * share)
    return cut, dataset.span_ends_unix_micros < cut, dataset.span_starts_unix_micros >= cut


def _parts(
    dataset: Dataset,
    cut: int,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    names: tuple[str, str],
    *,
    whose: str = "",
) -> tuple[Dataset, Dataset]:
    first, last = int(dataset.times_unix_micros.min()), int(dataset.times_unix_micros.max())
    parts = dataset.take(masks[0]), dataset.take(masks[1])
    for name, part, start, end in zip(names, parts, (first, cut), (cut, last), strict=True):
        if not len(part) or (part.labels == part.labels[0]).all():
            # By its time, not its share: what is split may itself be a part, and a share of that says little of the log.
            raise DatasetError(
                f"the {name} part, {format_time(start)} to {format_time(end)},{whose} has {len(part):,} rows, "
                f"{int(part.positive.sum()):,} of them positive; expected both kinds: use a longer log"
            )
    return parts
