"""What ``presage drift`` has found, for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from presage_server.drift.report import DriftReport

__all__ = ["DriftGauges"]

_COLUMN_LABELS = ("model", "model_version", "column")


class DriftGauges:
    """Gauges in a registry of their own: one for each version and column, and a few for each version."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._alarm = Gauge(
            "presage_drift_alarm",
            "Whether the newest window of a column goes on with an alarm.",
            _COLUMN_LABELS,
            registry=self.registry,
        )
        self._effect = Gauge(
            "presage_drift_effect_ratio",
            "The largest effect in a column's newest window, over the one from which it matters.",
            _COLUMN_LABELS,
            registry=self.registry,
        )
        self._until = Gauge(
            "presage_drift_judged_until_seconds",
            "The end of the newest window that was judged, in Unix seconds; 0 without one.",
            _COLUMN_LABELS[:2],
            registry=self.registry,
        )
        self._ran = Gauge(
            "presage_drift_ran_seconds", "When this was last computed, in Unix seconds.", registry=self.registry
        )

    def serve(self, port: int) -> int:
        """Serve them over HTTP on all addresses; returns the port. Raises OSError."""
        server, _ = start_http_server(port, registry=self.registry)
        return int(server.server_port)

    def show(self, reports: Sequence[DriftReport], *, now_unix_micros: int) -> None:
        """Replace what is shown."""
        for gauge in (self._alarm, self._effect, self._until):
            gauge.clear()
        for report in reports:
            of = (report.version.model, report.version.version)
            newest = len(report.windows) - 1
            self._until.labels(*of).set(report.windows[-1].end_unix_micros / 1e6 if report.windows else 0.0)
            alarmed = {alarm.column for alarm in report.alarms if alarm.last.window == newest}
            effects: dict[str, float] = {}
            for finding in report.findings:
                if finding.window == newest:
                    ratio = finding.effect / finding.needed
                    effects[finding.column] = max(ratio, effects.get(finding.column, 0.0))
            for column, effect in effects.items():
                self._effect.labels(*of, column).set(effect)
                self._alarm.labels(*of, column).set(column in alarmed)
        self._ran.set(now_unix_micros / 1e6)
