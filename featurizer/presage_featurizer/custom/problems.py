"""What is wrong in a line of a project's ``features.py``."""

from __future__ import annotations

import ast

from presage_featurizer.errors import FeatureSetError

__all__ = ["problem"]


def problem(node: ast.AST, reason: str) -> FeatureSetError:
    """Make the error for a part of the file."""
    return FeatureSetError(f"features.py: line {getattr(node, 'lineno', 0)}: {reason}")
