"""A LightGBM model to ONNX: one tree operator that gives the raw margin."""

from __future__ import annotations

import lightgbm

from presage_export.bundle.link import Link
from presage_export.graph import INPUT_NAME, OUTPUT_NAME, build_tree_graph
from presage_export.reading.lightgbm import read_lightgbm

__all__ = ["INPUT_NAME", "OUTPUT_NAME", "convert_lightgbm", "link_of", "tree_count"]


def convert_lightgbm(booster: lightgbm.Booster) -> bytes:
    """Convert a booster to a serialized ONNX model.

    The graph is one ``TreeEnsembleRegressor`` from ``features``, float32 ``[N, F]``, to ``margin``, float32 ``[N, 1]``:
    what ``booster.predict(raw_score=True)`` gives, with the same trees when training stopped early. The link is not in the
    graph (see ``link_of``): a sigmoid in double precision is exacter. The same booster gives the same bytes.

    Raises:
        UnsupportedModelError: ONNX would get the model wrong; the error names the parameter.
    """
    return build_tree_graph(read_lightgbm(booster))


def link_of(booster: lightgbm.Booster) -> Link:
    """Return how the booster's margin becomes its prediction.

    Raises:
        UnsupportedModelError: As for ``convert_lightgbm``.
    """
    return read_lightgbm(booster).link


def tree_count(booster: lightgbm.Booster) -> int:
    """Return how many trees the booster predicts with, which is what ``convert_lightgbm`` exports.

    Raises:
        UnsupportedModelError: As for ``convert_lightgbm``.
    """
    return len(read_lightgbm(booster).trees)
