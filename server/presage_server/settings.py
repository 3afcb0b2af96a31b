"""The server's settings; flags of ``presage serve`` and ``PRESAGE_*`` variables mirror the fields."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from presage_server.errors import SettingsError

__all__ = ["TRANSPORTS", "Settings", "shipped_models"]

TRANSPORTS: Final = ("auto", "grpcio", "native")
"""What can carry the calls; see ``presage_server.transport.choosing``."""


_MAX_WORKERS = 256


def shipped_models() -> Path:
    """Find the bundles that come with Presage: inside the installed package, or in the checkout that it was installed from."""
    here = Path(__file__).resolve().parent
    installed = here / "bundles"
    return installed if installed.is_dir() else here.parent.parent / "models"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How to serve.

    Raises:
        SettingsError: A field has a value that cannot work; the message names it.
    """

    host: str = "127.0.0.1"
    """The address to listen on. Nothing is encrypted: leave it on loopback, or put a TLS-terminating proxy in front."""
    port: int = 50051
    """The port to listen on; 0 picks a free one."""
    transport: str = "auto"
    """What carries the calls: ``grpcio``, ``native`` (pygrpc-native), or ``auto``: native where it is installed."""
    io_threads: int = 1
    """Threads that read and write connections (native). One carries 75,000 calls a second; a second makes a lone call slower."""
    redis_url: str = ""
    """A Redis (6.2 or newer) or Valkey: redis://, rediss:// or unix://. Empty: an embedded server is started."""
    data_dir: Path = Path("presage-data")
    """Where the embedded server keeps its append-only file."""
    models: Path = field(default_factory=shipped_models)
    """A folder of bundles, <name>/<version>/; the highest version of each name is served."""
    default_model: str = ""
    """The model of a call that names none. Empty: "conversion", or the only one there is."""
    state_ttl_days: float = 30.0
    """A visitor is forgotten when no event has come for so long."""
    stream_max_events: int = 10_000
    """Events kept in each of the 1,024 event streams, roughly, before the oldest go; 0 keeps all."""
    max_in_flight: int = 400
    """Calls under way at once; further ones are told to try again, so that those under way end in time."""
    timeout_ms: int = 1_000
    """What a call may take at most, whatever deadline its caller set."""
    max_message_bytes: int = 4 << 20
    """The largest request accepted."""
    drain_delay_seconds: float = 0.0
    """How long to go on as before after SIGTERM, with health at NOT_SERVING, so that balancers can turn away."""
    drain_seconds: float = 10.0
    """How long calls in flight may take to end after that."""
    sample_vectors_share: float = 0.0
    """Share of the scores, 0 to 1, whose features go into the event streams too, for ``presage audit`` to compare with a replay."""
    reflection: bool = True
    """Whether to describe the service to tools such as grpcurl."""
    workers: int = 1
    """Processes that answer on the port; the kernel deals connections out to them. More than 1 needs Linux."""
    metrics_port: int = -1
    """Serves Prometheus metrics over HTTP on this port of the same address; 0 picks a free one; -1 serves none."""

    def __post_init__(self) -> None:
        self._check("host", bool(self.host), "an address or a host name")
        self._check("port", 0 <= self.port <= 65_535, "0 to 65535")
        self._check("transport", self.transport in TRANSPORTS, f"one of {', '.join(TRANSPORTS)}")
        self._check("io_threads", 1 <= self.io_threads <= 64, "1 to 64")
        schemes = ("redis://", "rediss://", "unix://")
        self._check(
            "redis_url", not self.redis_url or self.redis_url.startswith(schemes), f"one of {', '.join(schemes)}..."
        )
        self._check("state_ttl_days", 0.001 <= self.state_ttl_days <= 3_650, "0.001 to 3650")
        self._check("stream_max_events", 0 <= self.stream_max_events <= 10**9, "0 to 1000000000")
        self._check("max_in_flight", self.max_in_flight >= 1, "1 or more")
        self._check("timeout_ms", 1 <= self.timeout_ms <= 600_000, "1 to 600000")
        self._check("max_message_bytes", 1_024 <= self.max_message_bytes < 2**31, "1024 to 2147483647")
        self._check("drain_delay_seconds", 0 <= self.drain_delay_seconds <= 3_600, "0 to 3600")
        self._check("drain_seconds", 0 <= self.drain_seconds <= 3_600, "0 to 3600")
        self._check("sample_vectors_share", 0.0 <= self.sample_vectors_share <= 1.0, "0 to 1")
        self._check("workers", 1 <= self.workers <= _MAX_WORKERS, f"1 to {_MAX_WORKERS}")
        self._check("workers", self.workers == 1 or sys.platform == "linux", "1, as only Linux deals connections out")
        self._check("metrics_port", -1 <= self.metrics_port <= 65_535, "-1 to 65535")

    def _check(self, field: str, holds: bool, expected: str) -> None:  # noqa: FBT001 - private and positional
        if not holds:
            shown = "a URL of another kind" if field == "redis_url" else repr(getattr(self, field))
            raise SettingsError(f"{field}: expected {expected}, got {shown}")
