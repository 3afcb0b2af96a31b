"""A visitor erased everywhere, under live traffic.

The order is what makes it complete:

1. State and quarantine are erased, and the moment is kept: events that come later are folded into a new state, which is marked in
   the stream, so everything up to here is old. From here on no backfill writes a state of the partition.
2. Calls that had read the old state log what they computed from it; it is waited for them.
3. Archivers write what they have read. Only then are the visitor's entries deleted from the stream: an archiver that had read
   some of them would bring them back, and one that had not would take them for lost.
4. The files of archives are written again, then what others keep of them, such as the audit's states.
5. The store writes its own files again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

from redis.exceptions import RedisError

from presage_featurizer.event_log import BEGINNING
from presage_server.eventlog.connecting import connect_clients
from presage_server.forgetting.checking import Finding, find_visitor
from presage_server.forgetting.disk import rewrite_files
from presage_server.forgetting.errors import ForgetError
from presage_server.forgetting.held_archive import group_of, hold_archive
from presage_server.forgetting.places import forget_in_places
from presage_server.forgetting.settings import ForgetSettings
from presage_server.forgetting.visitor import Cut, StoredVisitor
from presage_server.store.clients import StoreClients

__all__ = ["Erased", "check_visitor", "forget_visitor"]

_STORE_SECONDS = 60.0


@dataclass(kw_only=True, slots=True)
class Erased:
    """What became of an erasure."""

    keys: int = 0
    """State and quarantine."""
    entries: int = 0
    """Entries of the stream."""
    rows: int = 0
    """Rows of archives."""
    files: int = 0
    """Files of archives that were written again."""
    others: dict[Path, int] = field(default_factory=dict)
    """Rows of other files."""
    problems: list[str] = field(default_factory=list)
    """What could not be erased, a sentence each."""
    left: list[Finding] = field(default_factory=list)
    """Findings after the erasure; new ones belong to a visitor who came back."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing of before the erasure is left."""
        return not self.problems and all(finding.is_new for finding in self.left)


def forget_visitor(settings: ForgetSettings, *, warn: Callable[[str], None]) -> Erased:
    """Erase a visitor, then look for it.

    Raises:
        ForgetError, ArchiveReadError, ArchiveFolderError: Something cannot be used; run the same again.
        EventLogStoreError: The store cannot be used.
    """
    clients, _ = connect_clients(settings.redis_url, client_name="presage-forget", timeout_seconds=_STORE_SECONDS)
    with clients:
        try:
            return _forget(clients, settings, warn)
        except RedisError as error:
            raise ForgetError(
                f"redis_url: the store refuses or went away ({str(error)[:200]}); run the same again"
            ) from error


def check_visitor(settings: ForgetSettings) -> list[Finding]:
    """Look for a visitor everywhere; raises as ``forget_visitor``."""
    clients, _ = connect_clients(settings.redis_url, client_name="presage-forget", timeout_seconds=_STORE_SECONDS)
    with clients:
        try:
            return list(find_visitor(clients, settings))
        except RedisError as error:
            raise ForgetError(
                f"redis_url: the store refuses or went away ({str(error)[:200]}); run the same again"
            ) from error


def _forget(clients: StoreClients, settings: ForgetSettings, warn: Callable[[str], None]) -> Erased:
    for path in settings.archives:
        group_of(path)  # a wrong name is found before anything is erased
    erased = Erased()
    visitor = StoredVisitor(clients, settings.user_id)
    begun, erased.keys = visitor.erase_state()
    sleep(settings.settle_seconds)
    cut = Cut(begun, max(begun, visitor.newest()))
    entries = [entry.entry_id for entry in visitor.entries() if entry.entry_id <= cut.last_of(entry.kind)]
    with ExitStack() as stack:
        last = max(entries, default=BEGINNING)
        archives = [
            stack.enter_context(hold_archive(path, visitor, last, wait_seconds=settings.wait_seconds, warn=warn))
            for path in settings.archives
        ]
        deleted = visitor.delete(entries)
        erased.entries = len(deleted)
        for archive in archives:
            archive.note_deleted(visitor.partition, deleted)
            rows, files = archive.erase(visitor.partition, settings.user_id, cut)
            erased.rows += rows
            erased.files += files
        erased.others = dict(forget_in_places(settings.archives, settings.states, settings.user_id, erase=True))
    visitor.finish()
    if settings.rewrite_files:
        for redis in clients.of_servers():
            erased.problems += rewrite_files(redis, wait_seconds=settings.wait_seconds)
    visitor.clear_slow_log()  # it may have commands of before, and those of this erasure
    erased.left = list(find_visitor(clients, settings, cut))
    return erased
