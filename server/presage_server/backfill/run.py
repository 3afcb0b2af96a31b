"""A backfill, from its settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event as Flag
from time import monotonic

from presage_featurizer import NO_AGGREGATES, Aggregates
from presage_featurizer.event_log import PARTITIONS
from presage_server.archive.reading import ArchivedEvents
from presage_server.backfill.backfiller import Backfiller
from presage_server.backfill.following import Follower
from presage_server.backfill.histories import Histories
from presage_server.backfill.pace import Pace
from presage_server.backfill.progress import Progress
from presage_server.backfill.resolving import Resolver
from presage_server.backfill.settings import BackfillSettings
from presage_server.backfill.visitor_store import VisitorStore
from presage_server.clock import Clock, system_clock
from presage_server.errors import SettingsError
from presage_server.eventlog.connecting import connect_clients
from presage_server.models.project import read_project

__all__ = ["read_aggregates", "run_backfill"]


def run_backfill(
    settings: BackfillSettings,
    *,
    writer: bytes,
    warn: Callable[[str], None],
    report: Callable[[str], None],
    stop: Flag,
    clock: Clock = system_clock,
) -> Progress:
    """Backfill a store from an archive.

    Args:
        settings: What to do.
        writer: WRITER_BYTES bytes of this process's own, best drawn at random.
        warn: Called with one line for each thing that an operator must know.
        report: Called with a line of progress, every ``report_seconds``.
        stop: Ends it early; nothing is left half done.
        clock: Returns the time in microseconds.

    Returns:
        What became of the visitors; the share is less than 1 if it was ended early.

    Raises:
        SettingsError: There is nothing to do, or the project cannot be read.
        ArchiveReadError: The archive cannot be read.
        EventLogStoreError: The store cannot be used.
    """
    aggregates = read_aggregates(settings)
    archive = ArchivedEvents(settings.archive)
    groups = min(max(-(-archive.checkpoint().archived // settings.max_batch_events), 1), PARTITIONS)
    progress = Progress()
    started = reported = monotonic()

    def on_step() -> None:
        nonlocal reported
        now = monotonic()
        if now - reported >= settings.report_seconds:
            reported = now
            report(progress.line(now - started))

    clients, _ = connect_clients(
        settings.redis_url, client_name="presage-backfill", timeout_seconds=settings.timeout_seconds
    )
    with clients:
        store = VisitorStore(
            clients, clock=clock, writer=writer, patience_seconds=settings.patience_seconds, stop=stop, warn=warn
        )
        ttl = settings.state_ttl_millis
        make_histories = partial(Histories, aggregates, join_gaps_millis=ttl if settings.rebuild else None)
        backfiller = Backfiller(
            store=store,
            resolver=Resolver(aggregates, rebuild=settings.rebuild, state_ttl_millis=ttl),
            pace=Pace(settings.visitors_per_second, stop=stop),
            clock=clock,
            progress=progress,
            on_step=on_step,
            stop=stop,
        )
        backfiller.run(
            lambda: Follower(archive, store, make_histories(), progress, warn=warn, stop=stop), groups=groups
        )
    return progress


def read_aggregates(settings: BackfillSettings) -> Aggregates:
    """Read what states keep for the project's features.

    Raises:
        SettingsError: It cannot be read, or there is nothing to do: it declares nothing that states keep.
    """
    custom = read_project(str(settings.project or ""))
    aggregates = NO_AGGREGATES if custom is None else custom.aggregates
    if not aggregates.aggregates and not settings.rebuild:
        given = "declares no features that states keep" if settings.project else "is not given"
        raise SettingsError(
            f"project: {given}, so there is nothing to backfill; name one with --project, or bring back lost states with --rebuild"
        )
    return aggregates
