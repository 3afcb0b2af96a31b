"""What the methods about models send, and how they read the answers: for both clients."""

from __future__ import annotations

from presage.v1 import model_service_pb2 as pb
from presage_client._calls import Call
from presage_client._checks import check_instance
from presage_client._convert import build, member_of
from presage_client.models import (
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

__all__ = ["get_model", "list_models", "set_aliases"]

_RULES = tuple(field.name for field in pb.RollbackRules.DESCRIPTOR.fields)
_ALIASES = tuple(field.name for field in pb.Aliases.DESCRIPTOR.fields if field.name != "rollback")


def list_models() -> Call[tuple[ModelSummary, ...]]:
    """Make the call that lists the models."""
    return Call("ListModels", pb.ListModelsRequest(), _read_models)


def get_model(model: str, *, version: str) -> Call[ModelDetails]:
    """Make the call that describes one version of a model."""
    return Call("GetModel", build(pb.GetModelRequest, model=model, version=version), _read_details)


def set_aliases(aliases: Aliases, *, model: str, changed_by: str, reason: str) -> Call[Aliases]:
    """Make the call that changes which versions of a model serve."""
    check_instance("aliases", aliases, Aliases)
    rules = aliases.rollback
    request = build(
        pb.SetAliasesRequest,
        model=model,
        aliases=build(
            pb.Aliases,
            **{name: getattr(aliases, name) for name in _ALIASES},
            rollback=None
            if rules is None
            else build(pb.RollbackRules, **{name: getattr(rules, name) for name in _RULES}),
        ),
        changed_by=changed_by,
        reason=reason,
    )
    return Call("SetAliases", request, _read_set, repeated=False)


def _read_set(response: pb.SetAliasesResponse) -> Aliases:
    return _aliases(response.aliases)


def _read_models(response: pb.ListModelsResponse) -> tuple[ModelSummary, ...]:
    return tuple(
        ModelSummary(
            name=message.name,
            kind=member_of(ModelKind, message.kind),
            aliases=_aliases(message.aliases),
            versions=tuple(
                VersionSummary(
                    version=version.version, state=member_of(VersionState, version.state), problem=version.problem
                )
                for version in message.versions
            ),
            default_model=message.default_model,
            problem=message.problem,
        )
        for message in response.models
    )


def _read_details(response: pb.GetModelResponse) -> ModelDetails:
    golden = response.golden_check
    return ModelDetails(
        model=response.model,
        version=response.version,
        kind=member_of(ModelKind, response.kind),
        state=member_of(VersionState, response.state),
        problem=response.problem,
        feature_set=response.feature_set,
        fingerprint=response.fingerprint,
        importances={
            message.feature: message.importance if message.HasField("importance") else None
            for message in response.features
        },
        metrics=dict(response.metrics),
        training_data=dict(response.training_data),
        libraries=dict(response.libraries),
        golden_check=(
            GoldenCheck(rows=golden.rows, max_difference=golden.max_difference)
            if response.HasField("golden_check")
            else None
        ),
        changes=tuple(
            AliasChange(
                changed_at_unix_micros=message.changed_at_unix_micros,
                changed_by=message.changed_by,
                reason=message.reason,
                before=_aliases(message.before),
                after=_aliases(message.after),
            )
            for message in response.changes
        ),
        missing=tuple(response.missing),
    )


def _aliases(message: pb.Aliases) -> Aliases:
    rules = message.rollback
    return Aliases(
        **{name: getattr(message, name) for name in _ALIASES},
        rollback=RollbackRules(**{name: getattr(rules, name) for name in _RULES})
        if message.HasField("rollback")
        else None,
    )
