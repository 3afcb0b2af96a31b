"""What the benchmarks use of ``presage_server`` other than the process ``presage serve``: a store like its own, and stored formats.

The rig, the load benchmarks, the peers and the proofs import ``presage_server`` through this module only. The benchmarks of single
stages (``benchmarks/test_*.py``, ``echo``, ``gc_pauses``) import what they time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import redis
from numpy.typing import NDArray

import presage_server.store
from presage_export.errors import BundleError
from presage_featurizer import Event, State, encode_event
from presage_featurizer.event_log import BEGINNING, PARTITIONS, Entry, EntryId, partition_of, stream_key
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import BucketCounter
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_server.drift.baselines import read_baseline
from presage_server.errors import ModelError
from presage_server.items.item_store import ItemStore, LoadedItems, Published
from presage_server.models.loading import load_any_model, load_models
from presage_server.models.model import Model
from presage_server.models.ranking import RankingModel
from presage_server.models.verifying import Verifier
from presage_server.settings import shipped_models
from presage_server.store.embedded import embedded_store, end_with_parent, find_binary
from presage_server.store.keys import state_key
from presage_server.store.snapshot import REVISION_BYTES, Change, read_snapshot

__all__ = [
    "COMMIT_SCRIPT",
    "PARTITIONS",
    "REVISION_BYTES",
    "embedded_store",
    "end_with_parent",
    "find_binary",
    "load_served",
    "partition_of",
    "reference_scores",
    "shipped_models",
    "state_key",
    "store_items",
    "stored_state",
    "stream_key",
    "verify_aside",
    "write_archive",
]

COMMIT_SCRIPT = Path(presage_server.store.__file__).with_name("commit.lua")
"""The script that writes a visitor's state and events, if the state is still the one that was read."""


def stored_state(state: State, now_unix_micros: int) -> bytes:
    """Encode a visitor's first state as a server stores it."""
    return Change("", read_snapshot(None), state, ()).blob(now_unix_micros, b"wr")


def store_items(url: str, columns: ItemColumns) -> None:
    """Store items as a follower does that has closed their newest bucket."""
    with redis.Redis.from_url(url) as client:
        store = ItemStore(client)
        counter = BucketCounter(columns.bucket_micros, columns.epoch - 1)
        store.publish(counter.close(columns.epoch), Published(), {}, columns.bucket_micros)
        store.save(LoadedItems(columns, BEGINNING), token="benchmark", keep_from_millis=0)


def write_archive(directory: Path, events: Sequence[Event], *, first: int) -> None:
    """Add a batch of events to an archive, as ``presage archive`` does; ``first`` numbers their entries, above those before."""
    entries = [
        Entry(partition_of(event.user_id), EntryId(number, 0), encode_event(event), no_prior_state=False)
        for number, event in enumerate(events, first)
    ]
    with open_folder(directory, new_id=lambda: "benchmark") as folder:
        folder.commit(parts_by_day(entries), positions={}, entries=len(entries))


def reference_scores(rows: NDArray[np.float32]) -> list[float]:
    """Score rows with the shipped default model, in this process."""
    return load_models(shipped_models())[""].predict(rows)


def load_served(directory: Path) -> Model | RankingModel:
    """Verify and load a bundle, <name>/<version>, with its baseline, as a server does; raises BundleError."""
    try:
        model = load_any_model(directory)
    except ModelError as error:
        raise BundleError(directory, str(error)) from error
    if isinstance(model, Model):
        read_baseline(model)
    return model


def verify_aside(models: Path, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str | None]:
    """Verify versions, by name and version, in processes as a server starts them; return why each cannot be served, or None."""
    found = Verifier(models).verify(keys)
    return {key: outcome if isinstance(outcome, str) else None for key, outcome in found.items()}
