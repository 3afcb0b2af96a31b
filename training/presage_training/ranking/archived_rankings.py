"""Logged rankings computed again from an archive alone: its events, its changes of the catalogue, and the models that ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from presage_export.bundle.ranking import RankingBundle
from presage_featurizer import State
from presage_featurizer.digests import digest
from presage_featurizer.errors import UnknownPlacementError
from presage_featurizer.event_log import Exposure
from presage_featurizer.ranking.compiled import load_kernels
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import BucketCounter
from presage_featurizer.ranking.placements import Placements
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_training.auditing.result import NO_BEGINNING, NO_EVENT, AuditResult
from presage_training.errors import DatasetError
from presage_training.ranking.recomputing import Recomputed, recompute
from presage_training.readers.formats.archive import read_archive, read_archived_exposures
from presage_training.readers.formats.archived_catalogue import archived_catalogue, read_archived_changes
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.replaying.replay import Replay

__all__ = ["audit_rankings"]

_NO_MODEL = "no bundle of the model that ranked it"
_NO_PLACEMENT = "a placement that the file does not have"


@dataclass(kw_only=True, slots=True)
class _Pending:
    exposure: Exposure
    states: list[State | None] = field(default_factory=list)
    """The visitor's after each occurrence of the exposure's last event: an id may have counted more than once."""
    skipped: str = NO_EVENT


def audit_rankings(
    archive: Path,
    bundles: Mapping[tuple[str, str], RankingBundle],
    placements: Placements,
    *,
    bucket_micros: int = 0,
    skipped: SkippedRows,
    on_progress: Callable[[str], None] = lambda _: None,
) -> AuditResult[Exposure]:
    """Compute all rankings that an archive holds again, and compare features, scores, lists, propensities and rules.

    All rankings, and the counts of items by bucket of time, are in memory.

    Args:
        archive: The folder of ``presage archive --to``.
        bundles: The models that ranked, by name and version.
        placements: The rules that servers had.
        bucket_micros: The width of the buckets that items are counted in; 0 for the one that the archive names.
        skipped: Counts the events and changes that this release cannot read.
        on_progress: Called with a short description of each step.

    Raises:
        DatasetError: The width of the buckets is not known.
        LogFormatError: The folder holds no archive, or a file in it cannot be read.
        OSError: The folder or a file cannot be opened.
    """
    result = AuditResult[Exposure]()
    on_progress("reading rankings")
    pending = [_Pending(exposure=exposure) for exposure in read_archived_exposures(archive)]
    if not pending:
        return result
    catalogue = archived_catalogue(archive)
    width = bucket_micros or (catalogue.bucket_micros if catalogue else 0)
    if not width:
        raise DatasetError(
            f"{archive}: does not say in which buckets of time items are counted, because a release before this one wrote it, or "
            "nothing was counted yet; give the servers' setting item_bucket_seconds with --bucket-seconds"
        )
    counter = BucketCounter(width)
    on_progress("reading events")
    _replay(archive, pending, counter, skipped)
    for change in read_archived_changes(archive, skipped=skipped):
        counter.add_change(change.change, change.place)
    past = _Past(width, counter, bundles)
    by_epoch: dict[int, list[_Pending]] = {}
    for each in pending:
        by_epoch.setdefault(each.exposure.epoch, []).append(each)
    for number, epoch in enumerate(sorted(by_epoch), 1):
        on_progress(f"ranking again, {number / len(by_epoch):.0%}")
        past.advance(epoch)
        for each in by_epoch.pop(epoch):
            _compare(each, past, placements, result)
    return result


def _replay(archive: Path, pending: Iterable[_Pending], counter: BucketCounter, skipped: SkippedRows) -> None:
    """Count all events, and note the states that rankings need."""
    wanted: dict[str, dict[bytes, list[_Pending]]] = {}
    for each in pending:
        exposure = each.exposure
        if exposure.degraded or not exposure.last_event:
            each.states.append(None)
        else:
            wanted.setdefault(exposure.user_id, {}).setdefault(exposure.last_event, []).append(each)
    replay = Replay()
    for archived in read_archive(archive, skipped=skipped):
        event = archived.event
        counter.add(event, archived.place)
        by_event = wanted.get(event.user_id)
        if by_event is None:
            continue
        is_complete = archived.fresh or event.user_id in replay.states
        state = replay.fold(event, fresh=archived.fresh) if is_complete else None
        for each in by_event.get(digest(event.event_id), ()):
            if state is None:
                each.skipped = NO_BEGINNING
            else:
                each.states.append(state)


class _Past:
    """The items as of one epoch after another, and the models bound to them."""

    def __init__(
        self, width_micros: int, counter: BucketCounter, bundles: Mapping[tuple[str, str], RankingBundle]
    ) -> None:
        load_kernels()
        self.workspace = Workspace()
        self._columns = ItemColumns(width_micros)
        self._counter = counter
        self._bundles = bundles
        self._tables = {name: RankingTables.restore(bundle.arrays) for name, bundle in bundles.items()}
        self.features = ItemFeatures(self._columns)

    def advance(self, epoch: int) -> None:
        """Close the buckets up to an epoch."""
        if epoch <= self._columns.epoch:
            return
        for number in self._counter.open_buckets:
            if number < epoch:
                self._columns.apply(self._counter.close(number))
        self._columns.apply(self._counter.close(epoch))
        self.features.refresh()

    def model(self, exposure: Exposure) -> tuple[RankingBundle, RankingTables] | None:
        """Return the model of a ranking; None if its bundle is not there."""
        name = (exposure.model, exposure.model_version)
        bundle = self._bundles.get(name)
        if bundle is None or bundle.manifest.feature_set.fingerprint != exposure.fingerprint:
            return None
        tables = self._tables[name]
        if tables.by_digest is None or tables.bound_items < len(self._columns):
            tables = self._tables[name] = tables.bound(self._columns)
        return bundle, tables


def _compare(pending: _Pending, past: _Past, placements: Placements, result: AuditResult[Exposure]) -> None:
    exposure = pending.exposure
    found = past.model(exposure)
    if found is None:
        result.skipped[_NO_MODEL] += 1
        return
    bundle, tables = found
    try:
        placement = placements[exposure.placement]
    except UnknownPlacementError:
        result.skipped[_NO_PLACEMENT] += 1
        return
    if not pending.states:
        result.skipped[pending.skipped] += 1
        return
    what = ""
    for state in pending.states:
        again = recompute(
            exposure,
            state,
            past.features,
            tables,
            score=bundle.scores,
            placement=placement,
            workspace=past.workspace,
        )
        what = ", ".join(_differences(again, exposure, bundle))
        if not what:
            result.same += 1
            return
    result.add_difference(exposure, what)


def _differences(again: Recomputed, exposure: Exposure, bundle: RankingBundle) -> Iterator[str]:
    for name in again.differences(exposure):
        if name != "features" or exposure.feature_rows.shape != again.features.shape:
            yield name
            continue
        served, replayed = exposure.feature_rows, again.features.astype("<f4")
        place, column = np.argwhere(served.view(np.uint32) != replayed.view(np.uint32))[0].tolist()
        feature = bundle.manifest.feature_set.features[column]
        yield f"{feature} of candidate {place}: served {served[place, column]:g}, replayed {replayed[place, column]:g}"
