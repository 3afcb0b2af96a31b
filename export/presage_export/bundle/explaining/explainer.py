"""What each feature of a row adds to a model's margin: exact Shapley values of trees and of linear parts.

Every model that can be exported is a sum of trees and a linear part: so are blends and stacks of such models. The Shapley values
of a sum are the sums of those of its parts, and a calibration comes after the margin; so nothing is approximated for any model.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.ensemble import Ensemble
from presage_export.bundle.explaining.covers import Covers
from presage_export.bundle.explaining.linear import LinearPart, read_linear_part
from presage_export.bundle.explaining.paths import MAX_PATH_SPLITS, compile_paths, count_path_splits
from presage_export.bundle.explaining.tree_shap import PathTables, add_contributions, make_tables
from presage_export.bundle.onnx_graph import Graph
from presage_export.errors import NotExplainableError

__all__ = ["Explainer", "Explanation"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Explanation:
    """Why a margin is what it is."""

    base_margin: float
    """The mean margin of the training data, as the model's trees and linear part see it."""
    contributions: NDArray[np.float64]
    """What each feature adds to it, ``[F]``."""
    margin: float
    """``base_margin`` and all contributions, added up."""
    method: str
    """``tree_shap``, ``linear`` or ``tree_shap+linear``."""


class Explainer:
    """Explains the margins of one model. Threads may share it; the paths of its trees are compiled at first use, in some 10 ms.

    Args:
        graph: The model's checked graph.
        ensemble: Its trees, if it has any.
        covers: Its ``explain.npz``; None if the bundle has none.
        feature_count: F.

    Raises:
        NotExplainableError: What is needed is missing, or the model is too large; the message says what to do.
    """

    def __init__(self, graph: Graph, ensemble: Ensemble | None, covers: Covers | None, *, feature_count: int) -> None:
        if covers is None:
            raise NotExplainableError(
                "the bundle has no explain.npz, which says how much of the training data reached each node, because an older "
                "release of Presage wrote it, or the model does not keep such numbers; train or export the model again"
            )
        try:
            linear = read_linear_part(graph, feature_count=feature_count)
        except ValueError as error:
            raise NotExplainableError(str(error)) from error
        if linear is not None and len(covers.means) != feature_count:
            raise NotExplainableError(
                "explain.npz has no means of the features, which the model's linear part needs; export the model again"
            )
        if ensemble is not None and (splits := count_path_splits(ensemble)) > MAX_PATH_SPLITS:
            raise NotExplainableError(
                f"the paths of its trees have {splits} splits, and at most {MAX_PATH_SPLITS} can be explained; "
                "train fewer, smaller or shallower trees"
            )
        self.feature_count = feature_count
        """F, the number of features per row."""
        self._linear: LinearPart | None = linear
        self._ensemble = ensemble
        self._covers = covers
        self._lock = Lock()
        self._tables: tuple[PathTables, ...] | None = None
        self._base_margin = 0.0
        parts = (*(["tree_shap"] if ensemble is not None else []), *(["linear"] if linear is not None else []))
        self.method = "+".join(parts)
        """``tree_shap``, ``linear`` or ``tree_shap+linear``."""

    def explain(self, row: NDArray[np.float32]) -> Explanation:
        """Explain one row.

        Args:
            row: float32 ``[F]``, finite, or NaN if the model was trained with missing values.

        Raises:
            ValueError: The row has another dtype or shape.
        """
        if row.dtype != np.float32 or row.shape != (self.feature_count,):
            raise ValueError(f"row: expected float32 of shape [{self.feature_count}], got {row.dtype} of {row.shape}")
        tables = self._compiled()
        contributions = np.zeros(self.feature_count)
        for table in tables:
            add_contributions(table, row, contributions)
        if self._linear is not None:
            contributions += self._linear.coefficients * (row.astype(np.float64) - self._covers.means)
        margin = self._base_margin + float(contributions.sum())
        return Explanation(
            base_margin=self._base_margin, contributions=contributions, margin=margin, method=self.method
        )

    def _compiled(self) -> tuple[PathTables, ...]:
        with self._lock:
            if self._tables is None:
                self._tables = self._compile()
            return self._tables

    def _compile(self) -> tuple[PathTables, ...]:
        """Compile the paths, and compute the base margin."""
        base, tables = 0.0, []
        if self._ensemble is not None:
            ensemble = self._ensemble
            base += ensemble.base_value + float(ensemble.values[ensemble.roots].sum())
            for paths in compile_paths(ensemble, self._covers.cover):
                base += paths.mean
                tables.append(make_tables(paths))
        if self._linear is not None:
            base += self._linear.intercept + float(self._linear.coefficients @ self._covers.means)
        self._base_margin = base
        return tuple(tables)
