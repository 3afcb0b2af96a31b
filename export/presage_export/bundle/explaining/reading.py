"""The explainer of a bundle, from its verified files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from presage_export.bundle.ensemble import Ensemble
from presage_export.bundle.explaining.covers import unpack_covers
from presage_export.bundle.explaining.explainer import Explainer
from presage_export.bundle.onnx_graph import Graph
from presage_export.errors import BundleError, NotExplainableError

__all__ = ["EXPLAIN_FILE", "read_explainer"]

EXPLAIN_FILE: Final = "explain.npz"


def read_explainer(
    path: Path, data: bytes | None, graph: Graph, ensemble: Ensemble | None, *, feature_count: int, max_bytes: int
) -> Explainer | NotExplainableError:
    """Make what explains a model's margins, or say why nothing can.

    Args:
        path: Named in errors.
        data: The bundle's ``explain.npz``; None if it has none.
        graph: The model's checked graph.
        ensemble: Its trees, if it has any.
        feature_count: Features of a row.
        max_bytes: How large the file may be, unpacked.

    Raises:
        BundleError: The file is not that of this model.
    """
    covers = None
    if data is not None:
        nodes = 0 if ensemble is None else len(ensemble.is_leaf)
        try:
            covers = unpack_covers(data, node_count=nodes, feature_count=feature_count, max_bytes=max_bytes)
        except ValueError as error:
            raise BundleError(path, str(error)) from error
    try:
        return Explainer(graph, ensemble, covers, feature_count=feature_count)
    except NotExplainableError as error:
        return error
