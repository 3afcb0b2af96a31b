"""The tables of the reference pages, made from the code that they describe."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from math import isinf

from presage_featurizer import CATALOGUE, CORE
from presage_server import settings


def feature_rows() -> list[str]:
    """One row for each feature: those of ``core`` in its order, then the others."""
    rows = []
    for name in dict.fromkeys((*CORE.features, *CATALOGUE)):
        feature = CATALOGUE[name]
        low = "-∞" if isinf(feature.low) else f"{feature.low:g}"
        high = "∞" if isinf(feature.high) else f"{feature.high:g}"
        default = "by the moment" if feature.default is None else f"{feature.default:g}"
        rows.append(
            f"| `{name}` | {feature.meaning} | {feature.unit} | {feature.scope} | {low} to {high} | {default} |"
        )
    return rows


def setting_rows() -> list[str]:
    """One row for each setting: its flag, its variable, its default and its docstring."""
    tree = ast.parse(inspect.getsource(settings.Settings))
    body = tree.body[0].body
    shown = {"redis_url": "none", "default_model": "none", "models": "those that come with Presage"}
    rows = []
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            name = field.target.id
            default = shown.get(name, f"`{getattr(settings.Settings(), name)}`")
            flag = name.replace("_", "-")
            meaning = " ".join(text.value.value.split())
            rows.append(f"| `--{flag}` | `PRESAGE_{name.upper()}` | {default} | {meaning} |")
    return rows
