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
        "How messages are logged: as text, or as one JSON object per line.",
        choices=("text", "json"),
    )
    ready_needs_store: bool = setting(
        False,
        "Report the server as not ready while its store does not answer, in the health service `presage.ready` and in `/ready` "
        "beside the metrics. Without it, such a server is ready, as it still answers, with degraded scores.",
    )
    trace_endpoint: str = setting(
        "",
        "Where the spans of traced calls are sent: an OpenTelemetry collector, as in `http://localhost:4317` (OTLP over gRPC; "
        "https:// for TLS). Needs the extra `tracing`.",
        shown_default="nothing is traced",
    )
    trace_share: float = setting(
        0.0,
        "The share of calls without a `traceparent` that are traced. Calls with one are traced if it is sampled.",
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
