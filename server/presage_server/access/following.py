"""Follows the tokens file while the server runs; every process checks it for itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from presage_server.access.tokens import Stamp, Token, read_tokens, stamp_of
from presage_server.errors import TokensError

__all__ = ["TokensFollower"]

_logger = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0


class TokensFollower:
    """Notices changes of a tokens file. One that is not valid changes nothing.

    Args:
        path: The file.
        apply: Called with the tokens after each change.
        tokens: What is in use already; None: what the file holds, which is read at once.

    Raises:
        TokensError: The file is needed and cannot be used.
    """

    def __init__(
        self, path: Path, apply: Callable[[Sequence[Token]], None], tokens: Sequence[Token] | None = None
    ) -> None:
        self._path = path
        self._apply = apply
        self._stamp: Stamp | None = None
        if tokens is None:
            self._stamp = _stamp(path)
            tokens = read_tokens(path)
        self.tokens = tokens
        """What is in use."""
        self.problem = ""
        """Why the file as it is now is not in use; empty if it is."""
        apply(tokens)

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await asyncio.to_thread(self.look)  # a file system may hang
            except Exception:  # such as no thread to be had for now; a token that is removed must not stay forever
                _logger.exception("the tokens file could not be looked at; tried again")

    def look(self) -> None:
        """Check once; a problem is reported when it begins and when it ends."""
        stamp = _stamp(self._path)
        if stamp == self._stamp and stamp is not None:
            return
        try:
            tokens = read_tokens(self._path)
        except TokensError as error:
            if str(error) != self.problem:
                _logger.error("the tokens in use stay as they are: %s", error)  # noqa: TRY400 - no defect of ours
            self.problem = str(error)
        else:
            if self.problem:
                _logger.info("%s can be used again", self._path)
            self.problem = ""
            if tokens != self.tokens:
                self._log_change(tokens)
                self._apply(tokens)
                self.tokens = tokens
        self._stamp = stamp

    def _log_change(self, tokens: Sequence[Token]) -> None:
        before, after = (_by_name(some) for some in (self.tokens, tokens))
        changed = [name for name in before.keys() & after.keys() if before[name] != after[name]]
        _logger.info(
            "tokens: %d in %s; added: %s; removed: %s; changed: %s",
            len(tokens),
            self._path,
            *(_listed(names) for names in (after.keys() - before.keys(), before.keys() - after.keys(), changed)),
        )


def _stamp(path: Path) -> Stamp | None:
    """Return the file's stamp; None if it cannot be found, which reading it explains."""
    try:
        return stamp_of(path)
    except OSError:
        return None


def _by_name(tokens: Sequence[Token]) -> dict[str, Token]:
    return {token.name: token for token in tokens}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
