"""A server with models, items and visitors, and the store behind it, for a fuzzer to call."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzzing.requests.examples import Subjects
from benchmarks.proofs.broken_bundles import copy_version, put_in_place
from benchmarks.ranking.world import World, make_world
from benchmarks.rig.processes import memory_mb
from benchmarks.rig.server_parts import shipped_models, store_items
from benchmarks.rig.serving import local_store, presage_process
from presage_featurizer import State

__all__ = ["MAX_MESSAGE_BYTES", "PLACEMENTS", "FuzzedServer", "Setting", "make_setting", "serve", "write_models"]

MAX_MESSAGE_BYTES = 1 << 20
_MODEL, _VERSION, _COPY, _BROKEN = "conversion", "3", "4", "5"
_ITEMS, _VISITORS = 2_000, 60
PLACEMENTS = """
[everywhere]
max_per_brand = 4
freshness_boost = { places = 3, half_life_days = 7 }

[home]
max_per_category = 3
diversity = 0.2
exploration = { slots = [3, 8], method = "thompson" }

[cart]
max_per_category = 0
freshness_boost = false
cheaper_alternatives = 2
"""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What requests are about."""

    world: World
    subjects: Subjects
    states: Mapping[str, State]
    """What is stored of visitors before a round."""


@dataclass(frozen=True, kw_only=True)
class FuzzedServer:
    """A running server."""

    address: str
    store_url: str
    pid: int
    log: Path

    @property
    def memory_mb(self) -> float:
        """Its resident memory."""
        return memory_mb(self.pid)


def make_setting(now_unix_micros: int, *, items: int = _ITEMS, visitors: int = _VISITORS) -> Setting:
    """Make a shop with visitors whose last sessions were shortly before a moment."""
    world = make_world(items, visitors, end_unix_micros=now_unix_micros)
    states = dict(zip(world.users, world.states, strict=True))
    subjects = Subjects(
        users=(*world.users, "nobody", "new-1", "new-2"),
        items=items,
        models=(_MODEL, "ranking"),
        versions=(_VERSION, _COPY, "1"),
        now_unix_micros=now_unix_micros,
    )
    return Setting(world=world, subjects=subjects, states=states)


def write_models(folder: Path, world: World | None = None) -> Path:
    """Write two versions of a model that are equal, one that is broken, and a model that ranks; returns the folder.

    The model that ranks is fitted to a world, or the one that comes with Presage.
    """
    shipped = folder / _MODEL / _VERSION
    shutil.copytree(shipped_models() / _MODEL / _VERSION, shipped)
    for version in (_COPY, _BROKEN):
        target = folder / _MODEL / version
        put_in_place(copy_version(shipped, target), target)
    (folder / _MODEL / _BROKEN / "model.onnx").write_bytes(b"cut")
    if world is None:
        shutil.copytree(shipped_models() / "ranking", folder / "ranking")
    else:
        world.write_bundle(folder)
    return folder


@contextmanager
def serve(folder: Path, setting: Setting, transport: str, *flags: str) -> Iterator[FuzzedServer]:
    """Run a server of its own for as long as the context lasts.

    Args:
        folder: An empty one.
        setting: Its models and items.
        transport: ``native`` or ``grpcio``.
        flags: Further ones of ``presage serve``.
    """
    models = write_models(folder / "models", setting.world)
    placements = folder / "placements.toml"
    placements.write_text(PLACEMENTS)
    log = folder / "log"
    usual: Sequence[str] = (
        *("--models", str(models), "--placements", str(placements), "--allow-set-aliases", "--transport", transport),
        *("--max-message-bytes", str(MAX_MESSAGE_BYTES), "--timeout-ms", "60000", "--store-timeout-ms", "30000"),
        *("--stream-max-events", "0", "--sample-vectors-share", "0.01", "--exposures-share", "0.05"),
        *("--no-follow-items", "--log-level", "info"),
    )
    with local_store({"appendfsync": "no", "save": ""}) as url:
        store_items(url, setting.world.columns)
        with presage_process(url, *usual, *flags, log=log) as (address, pid):
            yield FuzzedServer(address=address, store_url=url, pid=pid, log=log)
