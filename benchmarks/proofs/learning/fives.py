"""A model that is trained again after every five purchases, while one server goes on serving."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.proofs.learning.shop import changing_events
from benchmarks.rig.serving import is_running, local_store, presage_process
from presage_client import AsyncClient, ClientOptions, ModelDetails, NotFoundError
from presage_featurizer import Event, EventType
from presage_training.learning import Verdict, read_verdicts
from presage_training.learning.state import read_state
from presage_training.traffic.sending import client_event, send_log

__all__ = ["PURCHASES", "Retraining", "command", "retrain_by_fives", "running"]

PURCHASES: Final = 5
"""How many more purchases there are at each training."""

_NAME: Final = "conversion"
_FIRST: Final = 200
"""Purchases before the learner begins: far fewer do not make all the parts that a training needs."""
_VISITORS_PER_PURCHASE: Final = 8
_LANES: Final = 8
_TRAININGS: Final = frozenset({"challenger", "rejected", "not trained"})
_TIMEOUT_MS: Final = 60_000.0
_WAIT_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.05
_LEARN: Final = (
    "--name", _NAME, "--kind", "lightgbm-classifier", "--after-purchases", str(PURCHASES), "--cooldown-hours", "0",
    "--patience-hours", "0", "--share", "0.3", "--pairs-share", "1", "--tolerance", "10", "--slice-tolerance", "10",
    "--window-share", "0.3", "--poll-seconds", "0.2",
)  # fmt: skip
"""A challenger that is neither better nor worse at the first look makes room for the next; and each may be tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retraining:
    """A version that the learner trained, as the server's GetModel returns it."""

    purchases: int
    """Purchases that had been sent when it was trained."""
    version: str
    importances: Mapping[str, float]
    """Each feature's share of the model, above 0."""


def retrain_by_fives(
    directory: Path, *, times: int, seed: int, on_retraining: Callable[[Retraining], None] = lambda _: None
) -> list[Retraining]:
    """Send five purchases, and all that goes with them, and wait for the model that is trained on them; and so on.

    Args:
        directory: An empty folder.
        times: How often, after the first training.
        seed: Of the visitors.
        on_retraining: Called with each.

    Returns:
        The first training, and all others.

    Raises:
        RuntimeError: The learner did not train, rejected a model or could not train one, or the server's process has ended.
    """
    models, archive = directory / "models", directory / "archive"
    learning = ("learn", "--models", str(models), *_LEARN)
    subprocess.run(command(*learning, "--init"), check=True, stdout=subprocess.DEVNULL)
    serving = ("--models", str(models), "--reload-seconds", "0.2", "--metrics-port", "0", "--no-follow-items")
    visitors = _VISITORS_PER_PURCHASE * (_FIRST + PURCHASES * times)
    chunks = _by_purchases(changing_events(visitors=visitors, seed=seed), times)
    with (
        local_store({"appendfsync": "no"}) as url,
        presage_process(url, *serving, "--timeout-ms", "60000") as (address, pid),
        running("archive", "--to", str(archive), "--redis-url", url, "--flush-seconds", "0.2", quiet=True),
    ):
        asyncio.run(_send(chunks[0], address))
        with running(*learning, str(archive), quiet=True):
            found = asyncio.run(_retrain(chunks[1:], address, models / _NAME, on_retraining))
        if not is_running(pid):
            raise RuntimeError("the server has ended; expected one process that answers all calls")
        return found


async def _retrain(
    chunks: Sequence[Sequence[Event]],
    address: str,
    folder: Path,
    on_retraining: Callable[[Retraining], None],
) -> list[Retraining]:
    """Wait for the model that is trained on what was sent before; then send a chunk and wait again, to the last one."""
    found: list[Retraining] = []
    async with AsyncClient(address, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:
        for chunk in ((), *chunks):
            for event in chunk:
                await client.track(client_event(event), score=True)
            verdict = await _next_training(folder, len(found))
            if verdict.verdict != "challenger":
                raise RuntimeError(f"version {verdict.version}: {verdict.verdict}: {verdict.reason}")
            details = await _details(client, verdict.version)
            importances = {name: share for name, share in details.importances.items() if share}
            found.append(
                Retraining(
                    purchases=read_state(folder).trained_purchases, version=verdict.version, importances=importances
                )
            )
            on_retraining(found[-1])
    return found


async def _next_training(folder: Path, before: int) -> Verdict:
    ends = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < ends:
        trainings = [verdict for verdict in read_verdicts(folder) if verdict.verdict in _TRAININGS]
        if len(trainings) > before:
            return trainings[before]
        await asyncio.sleep(_POLL_SECONDS)
    raise RuntimeError(f"presage learn did not train in {_WAIT_SECONDS:g} s; its verdicts are {read_verdicts(folder)}")


async def _details(client: AsyncClient, version: str) -> ModelDetails:
    """Ask for a version until the server has found it."""
    async with asyncio.timeout(_WAIT_SECONDS):
        while True:
            try:
                return await client.get_model(_NAME, version=version)
            except NotFoundError:
                await asyncio.sleep(_POLL_SECONDS)


async def _send(events: Sequence[Event], address: str) -> None:
    await send_log(events, address, lanes=_LANES, timeout_ms=_TIMEOUT_MS, on_progress=lambda _: None)


def _by_purchases(events: Sequence[Event], times: int) -> list[Sequence[Event]]:
    """Cut a log after its first purchases, and then after every five more."""
    ends = [place for place, event in enumerate(events, 1) if event.type == EventType.PURCHASE]
    cuts = [0, *(ends[_FIRST + PURCHASES * number - 1] for number in range(times + 1))]
    return [events[begin:end] for begin, end in pairwise(cuts)]


def command(*words: str) -> tuple[str, ...]:
    """Return the command line of ``presage`` with some words."""
    return (sys.executable, "-m", "presage_server", *words)


@contextmanager
def running(*words: str, quiet: bool = False) -> Iterator[None]:
    """Run a command of ``presage`` for as long as the context lasts; what it prints is printed here, unless it is to be quiet."""
    output = subprocess.DEVNULL if quiet else None
    with subprocess.Popen(command(*words), stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()
