"""The methods that are served, by path, and what runs on a call's metadata before its request is parsed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from presage_server.call import Call
from presage_server.pipeline.batch import Batch, Slices

__all__ = ["Interceptor", "Method"]


@dataclass(frozen=True, slots=True)
class Method:
    """One unary method. Exactly one of ``decode`` and ``open`` is given."""

    path: str
    """Its path on the wire, such as ``/presage.v1.ScoringService/Score``."""
    decode: Callable[[Call, Batch], None] | None = None
    """Decodes a small request into a batch; raises RpcError if the request breaks the contract."""
    open: Callable[[Call], Slices] | None = None
    """Parses a request that may be large, to be decoded in slices; raises RpcError as ``decode`` does."""
    units: int = 1
    """How much work any call is, in scores of one visitor."""
    bytes_per_unit: int = 1_024
    """How many bytes of a request are about one further unit of work."""
    heavy: bool = False
    """Whether a call is much work that cannot be sliced before it is decoded: such calls come after all others, few at a time."""


class Interceptor(Protocol):
    """Looks at a call's metadata before its request is parsed, as tracing does. Tokens are checked before, by the transport."""

    def intercept(self, call: Call) -> None:
        """Let the call pass.

        Raises:
            RpcError: The call is rejected with this error.
        """
        ...
