"""Settings of metrics, logs, readiness and traces."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from presage_server.errors import SettingsError
from presage_server.setting_fields import setting

__all__ = ["TelemetrySettings"]


@dataclass(frozen=True, kw_only=True)
class TelemetrySettings:
    """What is logged and traced, and when a server counts as ready."""

    log_format: str = setting(
        "text",
        "How messages are logged: lines to read, or one JSON object a line.",
        choices=("text", "json"),
    )
    ready_needs_store: bool = setting(
        False,
        "Whether a server whose store does not answer is not ready: the health service `presage.ready`, and `/ready` beside the "
        "metrics. Otherwise it is, as it still answers, with degraded scores.",
    )
    trace_endpoint: str = setting(
        "",
        "Where the spans of traced calls are sent: an OpenTelemetry collector, as in `http://localhost:4317` (OTLP over gRPC; "
        "https:// for TLS). Needs the extra `tracing`.",
        shown_default="nothing is traced",
    )
    trace_share: float = setting(
        0.0,
        "The share of calls without a `traceparent` that are traced. Of calls with one, those are traced whose caller says so.",
        low=0,
        high=1,
    )

    def check_telemetry(self) -> None:
        """Check what bounds and choices cannot say.

        Raises:
            SettingsError: A field has a value that cannot work.
        """
        if self.trace_endpoint:
            url = urlsplit(self.trace_endpoint)
            if url.scheme not in {"http", "https"} or not url.hostname:
                raise SettingsError(
                    "trace_endpoint: expected http://HOST:PORT or https://HOST:PORT, got a URL of another kind"
                )
