"""Changes of the tokens file: whole or not at all, and one after the other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from presage_server.access.tokens import Token, encode_tokens, read_tokens
from presage_server.errors import TokensError

__all__ = ["change_tokens"]

_OWNER_ONLY = 0o600


def change_tokens(path: Path, change: Callable[[Sequence[Token]], Sequence[Token]]) -> None:
    """Change a tokens file; readers find the old one or the new one.

    Args:
        path: The file; one that does not exist yet has no tokens, and is made with access for its owner alone.
        change: Returns the new tokens for the present ones.

    Raises:
        TokensError: The present file cannot be used, or the new one cannot be written.
    """
    path = Path(os.path.realpath(path))  # the file that a link names is changed, not the link
    try:
        with _locked(path.parent):
            before = path.stat() if path.exists() else None
            tokens = change(read_tokens(path) if before is not None else [])
            _write_whole(path, encode_tokens(tokens), before)
    except OSError as error:
        raise TokensError(f"tokens_file: {path} cannot be written: {error.strerror}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes of this host from changing the file meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(path: Path, content: bytes, before: os.stat_result | None) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        staged.unlink()  # of a process that was killed
    try:
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - made with its rights
            if before is not None:  # root may edit what belongs to the server's user
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, before.st_mode & 0o777)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        staged.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            staged.unlink()
        raise
