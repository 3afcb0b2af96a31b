"""When a call may be repeated: ``google.rpc.RetryInfo`` in the details of its status.

The messages of ``google.rpc`` are in a package that the client does not need for anything else, so the two that are read here are
declared again, with the fields that are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, message_factory
from google.protobuf.message import DecodeError

__all__ = ["retry_after_ms"]

_KEY: Final = "grpc-status-details-bin"
_TYPE: Final = "type.googleapis.com/google.rpc.RetryInfo"
_Field = descriptor_pb2.FieldDescriptorProto


def _declare(name: str, field: str, number: int, kind: str, label: Any) -> Any:
    """Make a message with one field, which holds another message."""
    parts = (any_pb2.DESCRIPTOR, duration_pb2.DESCRIPTOR)
    declared = descriptor_pb2.FileDescriptorProto(
        name=f"presage_client/{name}.proto", syntax="proto3", dependency=[part.name for part in parts]
    )
    message = declared.message_type.add(name=name)
    message.field.add(name=field, number=number, type=_Field.TYPE_MESSAGE, type_name=kind, label=label)
    pool = descriptor_pool.DescriptorPool()  # of its own: the application may have the real ones
    for part in parts:
        pool.AddSerializedFile(part.serialized_pb)
    pool.AddSerializedFile(declared.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


_Status = _declare("Status", "details", 3, ".google.protobuf.Any", _Field.LABEL_REPEATED)
_RetryInfo = _declare("RetryInfo", "retry_delay", 1, ".google.protobuf.Duration", _Field.LABEL_OPTIONAL)


def retry_after_ms(trailing_metadata: Iterable[Any] | None) -> float | None:
    """Return after how many milliseconds the call may be repeated; None where the server does not say.

    Args:
        trailing_metadata: Pairs of a key and a value.
    """
    for key, value in trailing_metadata or ():
        if key == _KEY and isinstance(value, bytes):
            try:
                for detail in _Status.FromString(value).details:
                    if detail.type_url == _TYPE:
                        delay = _RetryInfo.FromString(detail.value).retry_delay
                        return float(delay.seconds * 1_000 + delay.nanos / 1e6)
            except DecodeError:
                return None
    return None
