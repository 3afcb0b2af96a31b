"""What a server and the process that explains say to each other: frames, each a length of four bytes and MessagePack."""

from __future__ import annotations

import msgspec

__all__ = ["LENGTH_BYTES", "Answer", "Project", "Question", "pack"]

LENGTH_BYTES = 4


class Project(msgspec.Struct, frozen=True, array_like=True):
    """The first frame: the project whose features models may have."""

    texts: tuple[str, str] | None
    """The texts of its declaration and of its Python features; None without a project."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """A vector whose score is to be explained."""

    number: int
    """What the answer refers to."""
    directory: str
    """The bundle."""
    digest: str
    """``manifest_digest`` of the bundle that serves: the folder may have been replaced since."""
    row: bytes
    """float32, in this machine's byte order."""
    cold_start: bool


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What came of a question."""

    number: int
    response: bytes = b""
    """An encoded ExplainResponse; empty if there is none."""
    not_explainable: str = ""
    """Why the model's scores cannot be explained."""
    failure: str = ""
    """What went wrong; for the log."""


def pack(message: msgspec.Struct) -> bytes:
    """Make a frame of a message."""
    encoded = msgspec.msgpack.encode(message)
    return len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded
