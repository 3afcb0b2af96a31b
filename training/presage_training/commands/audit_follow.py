"""``presage audit --follow``: an archive that grows, audited continuously."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from typing import TYPE_CHECKING

from presage_training.commands.signals import stop_on_signals
from presage_training.commands.visitor_names import VisitorNames
from presage_training.quoting import printable

if TYPE_CHECKING:
    from presage_training.auditing.following import AuditProgress, FollowingAudit, Mismatch
    from presage_training.auditing.models_folder import ModelsFolder

__all__ = ["FollowCommand", "progress_line"]

_POLL_SECONDS = 1.0
_REPORT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowCommand:
    """What the command line asks for."""

    archive: Path
    states: Path
    once: bool
    since_unix_micros: int
    settle_seconds: float
    metrics_port: int
    names: VisitorNames

    def run(self, models: ModelsFolder) -> AuditProgress:
        """Audit until SIGTERM or Ctrl-C, or to the archive's end; print alerts, and lines of progress.

        Returns:
            What was found since the start.

        Raises:
            TrainingError: The archive or the file of states cannot be used, or the metrics' port.
            OSError: A file cannot be opened.
        """
        from presage_training.auditing.following import FollowingAudit  # noqa: PLC0415 - after the command's help
        from presage_training.auditing.metrics import AuditMetrics, metrics_server  # noqa: PLC0415
        from presage_training.auditing.visitor_states import open_states  # noqa: PLC0415
        from presage_training.readers.formats.archive import read_checkpoint  # noqa: PLC0415

        archive_id = read_checkpoint(self.archive).archive_id
        with ExitStack() as stack:
            stop = stack.enter_context(stop_on_signals())
            states = stack.enter_context(
                open_states(self.states, archive_id=archive_id, aggregates=models.read().aggregates)
            )
            audit = FollowingAudit(
                self.archive,
                states,
                models.read,
                since_unix_micros=self.since_unix_micros,
                on_mismatch=self._alert,
                is_stopped=stop.is_set,
            )
            lag = _Lag()
            if self.metrics_port >= 0:
                metrics = AuditMetrics(audit.progress, lag.seconds)
                port = stack.enter_context(metrics_server(self.metrics_port, metrics))
                _print(f"metrics on port {port}")
            self._follow(audit, stop, lag)
            for reason, count in audit.unreadable.counts.items():
                _print(f"{count:,} events: {reason}")
        return audit.progress

    def _follow(self, audit: FollowingAudit, stop: Flag, lag: _Lag) -> None:
        from presage_training.auditing.following import StoppedError  # noqa: PLC0415 - as above

        audited_at = reported_at = monotonic()
        while not stop.is_set():
            try:
                found = audit.step(to_the_end=self.once or monotonic() - audited_at >= self.settle_seconds)
            except StoppedError:
                break
            lag.update(audit.progress.batches_behind)
            if found:
                audited_at = monotonic()
            if monotonic() - reported_at >= _REPORT_SECONDS:
                reported_at = monotonic()
                _print(progress_line(audit.progress))
            if not found:
                if self.once:
                    break
                stop.wait(_POLL_SECONDS)

    def _alert(self, mismatch: Mismatch) -> None:
        vector = mismatch.vector
        difference = mismatch.difference
        print(  # noqa: T201 - an alert
            f"presage audit: MISMATCH visitor={self.names.of(vector.user_id)} event={printable(mismatch.event_id)!r} "
            f"feature={difference.feature} expected={difference.expected:.9g} served={difference.served:.9g} "
            f"other_features={difference.others} model={printable(vector.model)} {printable(vector.model_version)} "
            f"as_of={vector.as_of_unix_micros}",
            file=sys.stderr,
            flush=True,
        )


class _Lag:
    """Since when there has been more than the newest batch to audit."""

    def __init__(self) -> None:
        self._since: float | None = None

    def update(self, batches: int) -> None:
        if batches <= 1:
            self._since = None
        elif self._since is None:
            self._since = monotonic()

    def seconds(self) -> float:
        since = self._since
        return 0.0 if since is None else monotonic() - since


def progress_line(progress: AuditProgress) -> str:
    """Return one line with all numbers."""
    return (
        f"events={progress.events} same={progress.same} mismatches={progress.mismatches.total()} "
        f"not_comparable={progress.skipped.total()} scores={progress.scores} batches_behind={progress.batches_behind}"
    )


def _print(line: str) -> None:
    print(f"presage audit: {line}", flush=True)  # noqa: T201 - a line for logs
