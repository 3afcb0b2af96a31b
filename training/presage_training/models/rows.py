"""The rows that a model is fitted on: plain arrays, one entry for each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Features, targets and times; in any order, except for ranking, where a group's rows are adjacent."""

    features: NDArray[np.float32]
    """Shape (rows, features), finite."""
    targets: NDArray[np.float64]
    """Shape (rows,): 0 or 1 to classify, any number to predict, grades from 0 to 30 to rank by."""
    times_unix_micros: NDArray[np.int64]
    """Shape (rows,): when the decision was due."""
    known_unix_micros: NDArray[np.int64] | None = None
    """Shape (rows,): the time from which the target is known: for "buys within 30 days", 30 days later. None: immediately."""
    groups: NDArray[np.int64] | None = None
    """Shape (rows,): the list of a row, for ranking."""
    feature_names: tuple[str, ...] = ()
    """Names of the columns; needed by the baselines that use one."""

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ValueError: An array has another dtype or length than the features ask for; the message names it.
        """
        if self.features.dtype != np.float32 or self.features.ndim != 2:
            raise ValueError(
                f"features: expected float32 of shape [N, F], got {self.features.dtype} of shape {self.features.shape}"
            )
        for name in ("targets", "times_unix_micros", "known_unix_micros", "groups"):
            array = getattr(self, name)
            if array is not None and array.shape != (len(self.features),):
                raise ValueError(f"{name}: expected shape ({len(self.features)},), got {array.shape}")
        if self.feature_names and len(self.feature_names) != self.features.shape[1]:
            raise ValueError(f"feature_names: expected {self.features.shape[1]} or none, got {len(self.feature_names)}")

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Rows:
        """Select rows by a mask or by indices."""
        return Rows(
            features=self.features[chosen],
            targets=self.targets[chosen],
            times_unix_micros=self.times_unix_micros[chosen],
            known_unix_micros=None if self.known_unix_micros is None else self.known_unix_micros[chosen],
            groups=None if self.groups is None else self.groups[chosen],
            feature_names=self.feature_names,
        )

    def column(self, name: str) -> int:
        """Find a feature's column.

        Raises:
            ValueError: The name is unknown.
        """
        if name not in self.feature_names:
            raise ValueError(f"feature {name!r}: expected one of {list(self.feature_names)}; give Rows feature_names")
        return self.feature_names.index(name)
