"""The models of a server, and the versions of one of them: which serve, and how good each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from presage_client import ModelDetails, ModelKind, ModelSummary, VersionState
from presage_console.models.aliases import ServedPart, served_parts, to_registry
from presage_console.models.details import main_metric, state_words
from presage_export import registry

__all__ = ["ModelCard", "VersionRow", "describe_models", "describe_versions", "serving"]

_KINDS = {
    ModelKind.SCORING: "scores visitors",
    ModelKind.RANKING: "ranks items",
    ModelKind.UNSPECIFIED: "cannot be read",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCard:
    """One model."""

    name: str
    purpose: str
    is_default: bool
    parts: tuple[ServedPart, ...]
    """Which version serves which visitors; empty where the aliases cannot be read."""
    versions: int
    rejected: int
    """Versions that were wanted and cannot be served."""
    pairs_share: float
    """The share of scores that are logged together with those of the other versions."""
    revision: int
    problem: str
    """Why the aliases cannot be read; empty if they can."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRow:
    """One version of a model."""

    version: str
    roles: tuple[str, ...]
    """Such as ``champion``; empty for a version that nothing names."""
    share: float
    """Of the visitors, 0 to 1."""
    state: str
    problem: str
    """Why it cannot be served; empty if it can."""
    quality: str
    """Such as ``ROC-AUC 0.803``; empty where the bundle says nothing."""
    source: str
    """What it was trained on; empty where the bundle says nothing."""
    rows: str
    """How many rows it was trained on; empty where the bundle says nothing."""
    can_serve: bool


def describe_models(models: Sequence[ModelSummary]) -> tuple[ModelCard, ...]:
    """Describe all models, as the server orders them."""
    return tuple(describe_model(model) for model in models)


def describe_model(model: ModelSummary) -> ModelCard:
    """Describe one model."""
    parts, problem = serving(model)
    return ModelCard(
        name=model.name,
        purpose=_KINDS.get(model.kind, "of a kind that this console does not know"),
        is_default=model.default_model,
        parts=parts,
        versions=len(model.versions),
        rejected=sum(version.state is VersionState.REJECTED for version in model.versions),
        pairs_share=model.aliases.pairs_share,
        revision=model.aliases.revision,
        problem=problem,
    )


def describe_versions(model: ModelSummary, details: Mapping[str, ModelDetails]) -> tuple[VersionRow, ...]:
    """Describe the versions of a model, the newest first.

    Args:
        model: As the server lists it.
        details: What is known of its versions, by version; some may be missing.
    """
    parts, _ = serving(model)
    rows = []
    for each in reversed(model.versions):
        own = [part for part in parts if part.version == each.version]
        found = details.get(each.version)
        metric = None if found is None else main_metric(found.metrics)
        data = {} if found is None else found.training_data
        rows_seen = data.get("train_rows") or data.get("fit_queries") or ""
        rows.append(
            VersionRow(
                version=each.version,
                roles=tuple(part.role for part in own),
                share=sum(part.share for part in own),
                state=state_words(each.state),
                problem=each.problem,
                quality="" if metric is None else f"{metric[1]} {metric[2]:.3f}",
                source=data.get("source", ""),
                rows=f"{int(rows_seen):,}" if rows_seen.isdigit() else rows_seen,
                can_serve=each.state is not VersionState.REJECTED,
            )
        )
    return tuple(rows)


def serving(model: ModelSummary) -> tuple[tuple[ServedPart, ...], str]:
    """Return which version serves which visitors, or why that is not known."""
    try:
        return served_parts(to_registry(model.aliases)), model.problem
    except registry.AliasesError as error:
        return (), model.problem or str(error)
