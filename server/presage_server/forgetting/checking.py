"""Whether anything of a visitor is left, in all places that are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from presage_featurizer.event_log import BEGINNING, EntryId
from presage_server.archive.erasing import find_rows
from presage_server.forgetting.disk import find_bytes
from presage_server.forgetting.held_archive import files_until, group_of
from presage_server.forgetting.matching import EntryKind, EntryMatcher
from presage_server.forgetting.places import forget_in_places
from presage_server.forgetting.settings import ForgetSettings
from presage_server.forgetting.visitor import EVERYTHING, Cut, StoredVisitor
from presage_server.store.clients import StoreClients
from presage_server.store.keys import quarantine_key, state_key

__all__ = ["Finding", "find_visitor"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something of the visitor."""

    place: str
    """Where it is: a key's kind, a file, a consumer group."""
    what: str
    """What it is, with how much of it."""
    is_new: bool = False
    """Whether it is of after the erasure: the visitor came back."""

    def line(self) -> str:
        """Describe it in a line."""
        return f"{self.place}: {self.what}"


def find_visitor(clients: StoreClients, settings: ForgetSettings, cut: Cut = EVERYTHING) -> Iterator[Finding]:
    """Look for a visitor in the store, its files, the archives, and the files of other parts.

    Args:
        clients: Of the store.
        settings: The visitor to look for, and where.
        cut: What is newer belongs to a new history.

    Raises:
        ArchiveReadError: An archive cannot be read.
        ForgetError: A file cannot be read.
    """
    visitor = StoredVisitor(clients, settings.user_id)
    in_store = list(_in_store(visitor, settings.user_id, cut))
    came_back = any(finding.is_new for finding in in_store)
    yield from in_store
    yield from _in_groups(visitor, settings)
    yield from _in_archives(visitor, settings, cut)
    for path, rows in forget_in_places(settings.archives, settings.states, settings.user_id, erase=False):
        if rows:
            # An audit that has read events of the new history remembers it.
            yield Finding(place=str(path), what=_counted(rows, "row"), is_new=came_back)
    if settings.data_dir is not None:
        for path in find_bytes(settings.data_dir, state_key(settings.user_id).encode()):
            yield Finding(place=str(path), what="the key of the state, in the store's file", is_new=came_back)


def _in_store(visitor: StoredVisitor, user_id: str, cut: Cut) -> Iterator[Finding]:
    counts: dict[bool, Counter[EntryKind]] = {True: Counter(), False: Counter()}
    newest = {True: BEGINNING, False: BEGINNING}
    begins_anew = False
    for entry in visitor.entries():
        is_new = entry.entry_id > cut.last_of(entry.kind)
        counts[is_new][entry.kind] += 1
        newest[is_new] = entry.entry_id
        begins_anew |= is_new and entry.fresh
    for key in visitor.find_keys():
        what = (
            "a state"
            if key == state_key(user_id)
            else "unreadable states"
            if key == quarantine_key(user_id)
            else "a key"
        )
        yield Finding(place="store", what=f"{what}, in partition {visitor.partition}", is_new=begins_anew)
    if slow := visitor.slow_commands():
        yield Finding(place="store", what=f"{_counted(slow, 'command')} in the slow log", is_new=begins_anew)
    for is_new, of_kind in counts.items():
        for kind, count in of_kind.items():
            what = f"{_counted(count, kind.value)} in the stream of partition {visitor.partition}, {_until(newest[is_new])}"
            yield Finding(place="store", what=what, is_new=is_new)


def _in_groups(visitor: StoredVisitor, settings: ForgetSettings) -> Iterator[Finding]:
    """Find archives that read the streams but were not named: their content is unknown."""
    named = {group_of(archive) for archive in settings.archives}
    for group in visitor.groups():
        if group.startswith("archive-") and group not in named:
            yield Finding(
                place=f"consumer group {group}",
                what="its archive was not looked at; name the folder with --archive, or remove the group if there is none any more",
            )


def _in_archives(visitor: StoredVisitor, settings: ForgetSettings, cut: Cut) -> Iterator[Finding]:
    until, names_it = files_until(cut), EntryMatcher(settings.user_id).names_it
    for archive in settings.archives:
        for found in find_rows(archive, visitor.partition, settings.user_id, until=until, names_it=names_it):
            for rows, is_new in ((found.rows, False), (found.newer, True)):
                if rows:
                    what = f"{_counted(rows, 'row')}, {_until(found.newest)}"
                    yield Finding(place=str(found.path), what=what, is_new=is_new)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _until(entry_id: EntryId) -> str:
    moment = datetime.fromtimestamp(entry_id.unix_millis / 1_000, UTC)
    return f"the newest of {moment:%Y-%m-%d %H:%M:%S} UTC"
