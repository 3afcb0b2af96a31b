"""Aliases to protobuf messages and back."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from presage.v1 import model_service_pb2 as pb
from presage_export.registry import AliasChange, Aliases, AliasesError, RollbackRules
from presage_server.errors import InvalidRequestError

__all__ = ["aliases_from_proto", "aliases_to_proto", "change_to_proto"]

_NOT_SENT = {"format_version", "rollback"}


def aliases_to_proto(aliases: Aliases) -> pb.Aliases:
    """Turn aliases into their message."""
    fields: dict[str, Any] = {name: value for name, value in asdict(aliases).items() if name not in _NOT_SENT}
    return pb.Aliases(**fields, rollback=pb.RollbackRules(**asdict(aliases.rollback)))


def change_to_proto(change: AliasChange) -> pb.AliasChange:
    """Turn a change into its message."""
    return pb.AliasChange(
        changed_at_unix_micros=change.changed_at_unix_micros,
        changed_by=change.changed_by,
        reason=change.reason,
        before=aliases_to_proto(change.before),
        after=aliases_to_proto(change.after),
    )


def aliases_from_proto(message: pb.Aliases, rollback: RollbackRules) -> Aliases:
    """Read the aliases of a request.

    Args:
        message: The request's part.
        rollback: The rules where it has none.

    Raises:
        InvalidRequestError: They contradict each other, or a value is out of bounds; the error names the field.
    """
    try:
        if message.HasField("rollback"):
            rollback = RollbackRules(**_fields_of(message.rollback))
        fields = {name: value for name, value in _fields_of(message).items() if name != "rollback"}
        return Aliases(**fields, rollback=rollback)
    except AliasesError as error:
        field, _, description = str(error).partition(": ")
        raise InvalidRequestError(description, field=f"aliases.{field}") from error


def _fields_of(message: pb.Aliases | pb.RollbackRules) -> dict[str, Any]:
    return {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
