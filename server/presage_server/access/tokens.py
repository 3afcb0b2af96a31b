"""The tokens file: who may call what. It holds digests only, so that what is read from it opens nothing.

{"tokens": [{"name": "checkout", "scopes": ["track", "score"], "sha256": "9f86d081...", "calls_per_second": 500.0}]}
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from presage_server.access.scopes import Scope
from presage_server.errors import TokensError

__all__ = [
    "MAX_TOKEN_BYTES",
    "Stamp",
    "Token",
    "digest_of",
    "encode_tokens",
    "make_token",
    "new_token",
    "read_tokens",
    "stamp_of",
]

MAX_TOKEN_BYTES: Final = 256
"""The longest token that is accepted."""
_MAX_FILE_BYTES = 4 << 20
_SECRET_BYTES = 32
"""So many random bytes cannot be guessed, so their digest needs neither salt nor a slow hash."""
_PREFIX = "presage_"
"""The prefix by which secret scanners recognise a token."""
_MIN_CALLS_PER_SECOND = 0.001
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

Stamp = tuple[int, int, int, int]
"""Size, times of the last changes of content and of rights, and inode of a file."""


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of the file."""

    name: str
    """Whose it is, for people and metrics."""
    scopes: tuple[Scope, ...]
    """What it allows; without any, it opens only what asks for any token."""
    sha256: str
    """The digest of the token, as 64 hexadecimal digits."""
    calls_per_second: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 0.0
    """How many calls it may make; 0: as many as the server can answer."""
    burst: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    """How many of them may come at once after a pause; 0: those of one second."""
    created: str = ""
    """When it was made, for people."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    tokens: list[Token]


def new_token() -> str:
    """Make a token that nobody can guess."""
    return _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def make_token(**fields: Any) -> Token:
    """Make a token of fields that a person has given; raises TokensError, which names the field."""
    try:
        token = msgspec.convert(fields, Token)
    except msgspec.ValidationError as error:
        raise TokensError(str(error)) from error
    _check_token(token)
    return token


def digest_of(token: bytes) -> bytes:
    """Return the SHA-256 of a token."""
    return hashlib.sha256(token).digest()


def stamp_of(path: Path) -> Stamp:
    """Return what changes whenever a file does; raises OSError."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def read_tokens(path: Path) -> list[Token]:
    """Read a tokens file.

    Raises:
        TokensError: It cannot be read, is not a tokens file, or others than its owner may read it.
    """
    try:
        # Not blocking, for what is no file but a pipe would have the server wait.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            _check_rights(path, os.fstat(file.fileno()))
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise TokensError(
            f"tokens_file: {path} cannot be read: {error.strerror}; presage tokens add makes one"
        ) from error
    if len(content) > _MAX_FILE_BYTES:
        raise TokensError(f"tokens_file: {path}: expected at most {_MAX_FILE_BYTES} bytes")
    try:
        tokens = msgspec.json.decode(content, type=_File).tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # its text names the place, and never what stands there
        raise TokensError(f"tokens_file: {path} is not a valid tokens file: {error}") from error
    try:
        for token in tokens:
            _check_token(token)
        _check_unique(tokens)
    except TokensError as error:
        raise TokensError(f"tokens_file: {path}: {error}") from None
    return tokens


def encode_tokens(tokens: Sequence[Token]) -> bytes:
    """Return the content of a tokens file."""
    return msgspec.json.format(msgspec.json.encode(_File(list(tokens)))) + b"\n"


def _check_rights(path: Path, found: os.stat_result) -> None:
    """Check who may read the file: its owner, and a group if it is root's, as Kubernetes mounts secrets."""
    if not stat.S_ISREG(found.st_mode):
        raise TokensError(f"tokens_file: expected a file, got {path}, which is not a file")
    allowed = stat.S_IRGRP if found.st_uid == 0 and os.geteuid() != 0 else 0
    if found.st_mode & _OTHERS & ~allowed:
        mode = stat.S_IMODE(found.st_mode)
        raise TokensError(
            f"tokens_file: expected that only its owner can read and write {path}, got mode {mode:04o}; chmod 600 {path}"
        )


def _check_token(token: Token) -> None:
    if not _NAME.fullmatch(token.name):
        raise TokensError(
            "name: expected 1 to 64 letters, digits, dots, underscores and hyphens, the first of them a letter or digit, "
            f"got {token.name[:64]!r}"
        )
    if not _DIGEST.fullmatch(token.sha256):
        raise TokensError(
            f"token {token.name}: sha256: expected 64 hexadecimal digits in lower case; presage tokens add writes them"
        )
    if 0.0 < token.calls_per_second < _MIN_CALLS_PER_SECOND:
        raise TokensError(
            f"token {token.name}: calls_per_second: expected 0, for any number, or at least {_MIN_CALLS_PER_SECOND:g}, "
            f"got {token.calls_per_second:g}"
        )


def _check_unique(tokens: Sequence[Token]) -> None:
    for field in ("name", "sha256"):
        values = Counter(getattr(token, field) for token in tokens)
        if names := [token.name for token in tokens if values[getattr(token, field)] > 1]:
            raise TokensError(f"expected that no two tokens have the same {field}, but those of {names} do")
