"""Where the transports behave differently; everywhere else, the conformance suite expects the same of both.

An outcome is what the caller sees: ``grpc N``, a status; ``reset N``, an RST_STREAM; ``http N``, a response without a gRPC status;
``closed``, the connection's end; ``silence``, nothing while others are answered.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The outcome of one case with each transport."""

    row: str
    """The row of the table in docs/decisions/transports.md that describes it."""
    grpcio: str
    native: str


_NO_MESSAGE = "a request without its message, or that ends in the middle of it"
_NOT_POST = "a method other than POST, or no `te: trailers`"
_HEADERS = "a path that is none, or header fields that HTTP/2 forbids"
_UNREADABLE = "a deadline, or bytes in metadata, that cannot be read"
_ENCODING = "an encoding that nobody knows"
_MESSAGE_BYTES = "bytes behind the message, or a flag that is neither 0 nor 1"
_LENGTH = "a message over the limit"
_INFLATED = "a compressed request that is over the limit inflated"
_METADATA = "metadata over the limit"
_FRAMES = "frames that break HTTP/2's rules"
_GIVEN_UP = "calls that their clients have given up when the server reads them, as after a pause of it"
_DRAIN = "connections and calls in part at that point of a drain"

DIFFERENCES = {
    case: Difference(row=row, grpcio=grpcio, native=native)
    for row, case, grpcio, native in (
        (_NOT_POST, "PUT", "reset 2", "grpc 0"),
        (_NOT_POST, "GET with a message", "reset 2", "grpc 0"),
        (_NOT_POST, "GET as browsers send it", "reset 2", "grpc 13"),
        (_NOT_POST, "no te", "reset 2", "grpc 0"),
        (_HEADERS, "another te", "grpc 13", "reset 1"),
        (_HEADERS, "no path", "reset 2", "reset 1"),
        (_HEADERS, "a path without a slash", "grpc 12", "reset 1"),
        (_HEADERS, "a name in capitals", "grpc 13", "closed"),
        (_HEADERS, "a field of HTTP/1", "grpc 0", "reset 1"),
        (_NO_MESSAGE, "headers alone", "silence", "grpc 13"),
        (_NO_MESSAGE, "no message", "silence", "grpc 13"),
        (_NO_MESSAGE, "half a length", "silence", "grpc 13"),
        (_NO_MESSAGE, "half a message", "silence", "grpc 13"),
        (_MESSAGE_BYTES, "a byte behind the message", "grpc 0", "grpc 13"),
        (_MESSAGE_BYTES, "flag 2", "grpc 0", "grpc 13"),
        (_ENCODING, "an unknown encoding", "grpc 13", "grpc 12"),
        (_ENCODING, "an unknown encoding, not used", "grpc 13", "grpc 12"),
        (_UNREADABLE, "a timeout that is none", "grpc 13", "grpc 0"),
        (_UNREADABLE, "bytes that are no base64", "grpc 13", "grpc 0"),
        (_LENGTH, "a length over the limit, and no more", "grpc 8", "silence"),
        (_LENGTH, "a length over the limit, and the end", "grpc 8", "grpc 13"),
        (_INFLATED, "memory of a compressed request", "bounded", "unbounded"),
        (_METADATA, "24 KiB of metadata", "grpc 8", "http 431"),
        (_METADATA, "400 KiB of metadata", "grpc 8", "closed"),
        (_FRAMES, "a frame over the limit", "grpc 0", "closed"),
        (_FRAMES, "data of a stream that was never opened", "silence", "closed"),
        (_FRAMES, "a reset of a stream that was never opened", "silence", "closed"),
        (_FRAMES, "a stream with an even number", "silence", "closed"),
        (_FRAMES, "headers of stream 0", "silence", "closed"),
        (_FRAMES, "a push by the client", "silence", "closed"),
        (_FRAMES, "a window that overflows", "silence", "closed"),
        (_GIVEN_UP, "30 calls with their resets", "grpc 0", "closed"),
        (_DRAIN, "a call in part, in a drain", "waited for", "not waited for"),
        (_DRAIN, "a connection in a drain", "refused", "taken"),
    )
}


def expected(case: str, transport: str, *, otherwise: str = "") -> str:
    """Return the outcome of a case that is right with a transport; ``otherwise`` where they do the same."""
    if otherwise:
        assert case not in DIFFERENCES
        return otherwise
    outcome: str = getattr(DIFFERENCES[case], transport)
    return outcome
