"""The check of each call: its token, the scope that its method needs, and the token's rate. It reads metadata and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from hmac import compare_digest
from threading import Lock
from typing import Final

from prometheus_client.metrics_core import Metric

from presage_server.access.denials import MALFORMED, MISSING, UNIMPLEMENTED, UNKNOWN, Denial, over_rate, wrong_scope
from presage_server.access.limits import SLOTS, RateLimit, Slots, slots_of
from presage_server.access.methods import METHODS
from presage_server.access.scopes import OpenPart, Principal, Scope
from presage_server.access.tokens import MAX_TOKEN_BYTES, Token, digest_of
from presage_server.call import Call, Metadata
from presage_server.rpc.status import internal_error
from presage_server.telemetry.counting import Count, Counters

__all__ = ["Gate", "Readers", "digest_presented", "may_read", "readers_of"]

Readers = list[bytes] | None
"""The digests of the tokens that open something; None: it is open to all."""

_KEY: Final = "authorization"
_SCHEME: Final = "bearer "
_NOBODY: Final = Principal("", frozenset())
_OWN: Final = Token(name="presage", scopes=(), sha256="")
"""The server's token for its own checks."""


class _Known:
    """A token, as calls meet it."""

    __slots__ = ("digest", "limit", "passed", "principal")

    def __init__(self, token: Token, digest: bytes, limit: RateLimit | None, passed: Count) -> None:
        self.principal = Principal(token.name, frozenset(token.scopes))
        self.digest = digest
        self.limit = limit
        self.passed = passed
        """Counts the accepted calls."""


class Gate:
    """Decides which calls are accepted. ``check`` and ``replace`` may be called in any thread.

    Tokens are found by their digest, and the digests are compared in constant time: how long it takes says nothing about any token.

    Args:
        tokens: Those of the file.
        open_parts: What is open to callers without a token.
        slots: Where the rates are kept; its own unless workers share them.
    """

    def __init__(
        self,
        tokens: Iterable[Token],
        open_parts: Collection[OpenPart],
        slots: Slots | None = None,
    ) -> None:
        self._slots = [0.0] * SLOTS if slots is None else slots
        self._lock = Lock()
        self._needs: Mapping[str, Scope | None] = {
            path: need if isinstance(need, Scope) else None for path, need in METHODS.items()
        }
        """The scope that a method needs; None: any token is enough."""
        self._open = frozenset(path for path, need in METHODS.items() if need in open_parts)
        self._metrics_open = OpenPart.METRICS in open_parts
        self._counts = Counters(
            "presage_token_calls", "Calls that were checked, by the name of the token.", ("token", "outcome")
        )
        for denial in (MISSING, MALFORMED, UNKNOWN):
            self._counts["", denial.outcome].inc(0)
        self._own_token = secrets.token_urlsafe()
        self._known: dict[bytes, _Known] = {}
        self.replace(tokens)

    @property
    def own_metadata(self) -> Metadata:
        """What this process sends when it calls itself."""
        return ((_KEY, f"Bearer {self._own_token}"),)

    def replace(self, tokens: Iterable[Token]) -> None:
        """Go on with other tokens, from the next call on; a token that stays keeps its rate."""
        by_digest = {bytes.fromhex(token.sha256): token for token in tokens}
        slots = slots_of(digest for digest, token in by_digest.items() if token.calls_per_second)
        with self._lock:
            known = {
                digest: _Known(token, digest, self._limit(token, slots.get(digest)), self._counts[token.name, "passed"])
                for digest, token in by_digest.items()
            }
        own = digest_of(self._own_token.encode())
        known[own] = _Known(_OWN, own, None, Count())
        self._known = known

    def collect(self) -> Iterable[Metric]:
        """Return the counters, as a collector of prometheus_client."""
        with self._lock:
            return list(self._counts.collect())

    def admits(self, call: Call) -> bool:
        """Return whether a call is accepted, and note its caller; a rejected call has been ended."""
        try:
            checked = self.check(call.method, call.metadata, call.received)
        except Exception as error:  # noqa: BLE001 - the call's own; it is not taken, and the others are
            call.fail(internal_error(error, call.method))
            return False
        if isinstance(checked, Denial):
            call.fail(checked.status)
            return False
        call.principal = checked
        return True

    def check(self, path: str, metadata: Metadata, now: float) -> Principal | Denial:
        """Check a call.

        Args:
            path: Of its method, whether there is one or not.
            metadata: What its caller sent.
            now: The time, in seconds of ``time.monotonic``.

        Returns:
            Who calls, or why the call is not taken.
        """
        if path in self._open:
            return _NOBODY
        known = self._find(metadata)
        if isinstance(known, Denial):
            with self._lock:
                self._counts["", known.outcome].inc()
            return known
        denial = self._denial(known, path, now)
        with self._lock:
            if denial is None:
                known.passed.inc()
                return known.principal
            self._counts[known.principal.name, denial.outcome].inc()
        return denial

    def metrics_readers(self) -> Readers:
        """Return who may read the metrics, which are not a method: any token is enough, if they are not open to all."""
        return None if self._metrics_open else list(self._known)

    def _find(self, metadata: Metadata) -> _Known | Denial:
        digest = digest_presented(metadata)
        if isinstance(digest, Denial):
            return digest
        known = self._known.get(digest)
        if known is None or not compare_digest(known.digest, digest):
            return UNKNOWN
        return known

    def _denial(self, known: _Known, path: str, now: float) -> Denial | None:
        principal, limit = known.principal, known.limit
        if path not in self._needs:
            return UNIMPLEMENTED
        scope = self._needs[path]
        if scope is not None and scope not in principal.scopes:
            return wrong_scope(principal, path, scope)
        if limit is not None:
            with self._lock:
                wait = limit.take(now)
            if wait:
                return over_rate(principal.name, limit.calls_per_second, wait)
        return None

    def _limit(self, token: Token, slot: int | None) -> RateLimit | None:
        if slot is None:
            return None
        return RateLimit(self._slots, slot, token.calls_per_second, token.burst)


def readers_of(gate: Gate | None) -> Readers:
    """Return who may read the metrics of a server that may have no gate."""
    return None if gate is None else gate.metrics_readers()


def may_read(readers: Readers, metadata: Metadata) -> bool:
    """Return whether a caller is among the readers of something."""
    if readers is None:
        return True
    digest = digest_presented(metadata)
    return not isinstance(digest, Denial) and any(compare_digest(digest, reader) for reader in readers)


def digest_presented(metadata: Metadata) -> bytes | Denial:
    """Return the digest of a caller's token, or why there is none."""
    found: str | bytes | None = None
    for key, value in metadata:
        if key == _KEY:
            if found is not None:
                return MALFORMED  # of two, a proxy may have looked at the other one
            found = value
    if found is None:
        return MISSING
    # A token is ASCII, and so anything else is none.
    if not isinstance(found, str) or len(found) > MAX_TOKEN_BYTES or not found.isascii():
        return MALFORMED
    if found[: len(_SCHEME)].lower() != _SCHEME:
        return MALFORMED
    return digest_of(found[len(_SCHEME) :].strip(" ").encode())
