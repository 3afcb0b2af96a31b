"""Models, versions and histories for the tests of the page Models."""

from __future__ import annotations

from dataclasses import replace

from presage_client import (
    AliasChange,
    Aliases,
    GoldenCheck,
    ModelDetails,
    ModelKind,
    ModelSummary,
    RollbackRules,
    VersionState,
    VersionSummary,
)

__all__ = ["a_change", "a_model", "a_version", "aliases"]


def aliases(**fields: object) -> Aliases:
    """Make aliases as a server sends them: with rules."""
    return Aliases(**({"champion": "3", "revision": 4, "rollback": RollbackRules()} | fields))


def a_model(*versions: str, of: Aliases | None = None, rejected: str = "", **fields: object) -> ModelSummary:
    """Make a model with these versions; what ``rejected`` names cannot be served."""
    usual = {
        "name": "conversion",
        "kind": ModelKind.SCORING,
        "aliases": of or aliases(),
        "versions": tuple(
            VersionSummary(
                version=version,
                state=VersionState.REJECTED if version == rejected else VersionState.LOADED,
                problem="its model.onnx is broken" if version == rejected else "",
            )
            for version in versions or ("1", "3", "4")
        ),
        "default_model": True,
        "problem": "",
    }
    return ModelSummary(**(usual | fields))


def a_version(version: str = "3", **fields: object) -> ModelDetails:
    """Make what is known of a version."""
    usual = {
        "model": "conversion",
        "version": version,
        "kind": ModelKind.SCORING,
        "state": VersionState.LOADED,
        "problem": "",
        "feature_set": "conversion",
        "fingerprint": "985c5e68",
        "importances": {"recency_days": 0.25, "frequency": 0.05, "deepest_step": 0.7},
        "metrics": {"log_loss": 0.33, "roc_auc": 0.8033},
        "training_data": {"source": "archive", "target": "purchase-in-session", "train_rows": "104504"},
        "libraries": {"lightgbm": "4.7.0"},
        "golden_check": GoldenCheck(rows=64, max_difference=1.2e-7),
        "changes": (),
        "missing": (),
    }
    return ModelDetails(**(usual | fields))


def a_change(before: Aliases, after: Aliases, **fields: object) -> AliasChange:
    """Make a change; the revision after it is one more than before."""
    usual = {
        "changed_at_unix_micros": 1_790_000_000_000_000,
        "changed_by": "ann",
        "reason": "a try",
        "before": before,
        "after": replace(after, revision=before.revision + 1),
    }
    return AliasChange(**(usual | fields))
