"""The loop: traffic, a look, traffic, a look; each look judges the challengers that are left, and the server follows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.proofs.planted.bundles import CASES, CHALLENGER, CHAMPION, START, Truth, plant
from benchmarks.proofs.planted.traffic import Traffic
from benchmarks.rig.serving import is_running, local_store, presage_process
from presage_client import AsyncClient, ClientOptions
from presage_export.registry import Aliases, read_aliases, read_changes, replace_aliases
from presage_featurizer import Event
from presage_featurizer.event_log import CHECKPOINT_FILE
from presage_training.learning import Learner, LearnOptions, read_verdicts
from presage_training.readers.formats.archive import read_checkpoint
from presage_training.simulator import Shop, simulate

__all__ = ["EXPECTED", "CaseResult", "Proof", "prove"]

EXPECTED: Final = {"worse": "roll back", "better": "promote", "equal": "continue"}
"""The right decision on each challenger."""

_SHARE: Final = 0.3
_HELD_OUT: Final = 0.02
_TRAINED_ON: Final = 1_000
_DAYS: Final = 14
_NEVER: Final = 1_000_000_000
_TIMEOUT_MS: Final = 60_000.0
_WAIT_SECONDS, _POLL_SECONDS = 600.0, 0.02
_SERVER_FLAGS: Final = (
    "--reload-seconds", "0.2", "--metrics-port", "0", "--no-follow-items", "--stream-max-events", "0",
    "--timeout-ms", "60000", "--store-timeout-ms", "60000",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseResult:
    """The decision on one challenger."""

    truth: Truth
    looks: int
    """How often it was judged."""
    verdict: str
    """The last one."""
    sentence: str
    """Why, with the numbers."""
    changed_by: tuple[str, ...]
    """Who changed the aliases after the challenger was planted."""
    served: dict[str, int]
    """Scores of each version after the decision; if there was none, of all looks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """The result."""

    cases: dict[str, CaseResult]
    looks: int
    """How often challengers could be judged."""
    events: int
    scores: int
    wrong: tuple[str, ...]
    """Scores from another version, or arm, than the aliases say."""
    is_same_process: bool
    """Whether the server that answered last is the one that answered first."""

    @property
    def failures(self) -> list[str]:
        """Why the proof does not hold; empty if it does."""
        found = [f"{len(self.wrong)} scores from a wrong version, such as {self.wrong[0]}"] if self.wrong else []
        if not self.is_same_process:
            found.append("the server has ended")
        for name, case in self.cases.items():
            decides = EXPECTED[name] != "continue"
            if case.verdict != EXPECTED[name]:
                found.append(
                    f"{name}: expected {EXPECTED[name]}, got {case.verdict} after {case.looks} looks: {case.sentence}"
                )
            if case.changed_by != ("presage learn",) * decides:
                found.append(f"{name}: the aliases were changed by {', '.join(case.changed_by) or 'nobody'}")
            if not decides and case.looks != self.looks:
                found.append(f"{name}: expected {self.looks} looks, got {case.looks}")
            gone = {"worse": CHALLENGER, "better": CHAMPION}.get(name)
            if decides and (not case.served or gone in case.served):
                found.append(f"{name}: scores after the decision came from {case.served}")
        return found


def prove(
    directory: Path,
    *,
    visitors: int,
    looks: int,
    seed: int,
    tightest_at: int,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Proof:
    """Run it.

    Args:
        directory: An empty folder.
        visitors: How many visit the shop; the models are trained on 1,000 others.
        looks: How often challengers are judged, evenly spread over the events.
        seed: Of visitors and trainings.
        tightest_at: See ``confidence_sequence``.
        on_progress: Called with a line for each step.
    """
    models, archive = directory / "models", directory / "archive"
    truth = plant(models, visitors=_TRAINED_ON, days=_DAYS, seed=seed)
    events = simulate(seed=seed, visitors=visitors, start_unix_micros=START, days=_DAYS, shop=Shop.create(seed=seed))
    learners = {}
    for case in CASES:
        planted = Aliases(
            champion=CHAMPION, challenger=CHALLENGER, challenger_share=_SHARE, salt=f"{case} {seed}", pairs_share=1.0
        )
        replace_aliases(models / case, planted, now_unix_micros=_now(), changed_by="the proof", reason="planted")
        learners[case] = _learner(case, archive, models, tightest_at)
        learners[case].start(_now())
    planted_changes = {case: len(list(read_changes(models / case))) for case in CASES}
    with (
        local_store({"appendfsync": "no"}) as url,
        presage_process(url, "--models", str(models), "--default-model", "equal", *_SERVER_FLAGS) as (address, pid),
        _archiving(url, archive),
    ):
        traffic = asyncio.run(_loop(address, directory, _chunks(events, looks), learners, on_progress))
        is_same_process = is_running(pid)
    cases = {}
    for case in CASES:
        said = [verdict for verdict in read_verdicts(models / case) if verdict.version == CHALLENGER]
        changes = list(read_changes(models / case))[planted_changes[case] :]
        cases[case] = CaseResult(
            truth=truth[case],
            looks=len(said),
            verdict=said[-1].verdict if said else "none",
            sentence=said[-1].reason if said else "",
            changed_by=tuple(change.changed_by for change in changes),
            served=dict(traffic.served[case]),
        )
    return Proof(
        cases=cases,
        looks=looks,
        events=len(events),
        scores=traffic.scores,
        wrong=tuple(traffic.wrong),
        is_same_process=is_same_process,
    )


async def _loop(
    address: str,
    directory: Path,
    chunks: Sequence[Sequence[Event]],
    learners: dict[str, Learner],
    on_progress: Callable[[str], None],
) -> Traffic:
    models, archive = directory / "models", directory / "archive"
    async with AsyncClient(address, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:
        traffic = Traffic(client, models)
        for number, chunk in enumerate(chunks, 1):
            await traffic.send(chunk)
            await _archived(archive, traffic.entries)
            for case, learner in learners.items():
                before = read_aliases(models / case).revision
                learner.cycle(_now())
                if read_aliases(models / case).revision != before:
                    on_progress(f"look {number}: {case}: {read_verdicts(models / case)[-1].reason}")
                    await traffic.follow(case)
        return traffic


async def _archived(archive: Path, entries: int) -> None:
    """Wait until the archive holds all that was sent and logged."""
    ends, held = time.monotonic() + _WAIT_SECONDS, 0
    while time.monotonic() < ends:
        if (archive / CHECKPOINT_FILE).exists():
            held = read_checkpoint(archive).archived
        if held >= entries:
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise RuntimeError(f"expected {entries:,} entries in the archive within {_WAIT_SECONDS:g} s, got {held:,}")


def _learner(case: str, archive: Path, models: Path, tightest_at: int) -> Learner:
    """Make a learner as ``presage learn`` does, that judges and never trains."""
    options = LearnOptions(
        name=case, after_purchases=_NEVER, every_hours=0.0, holdout_share=_HELD_OUT, tightest_at=tightest_at
    )
    return Learner(archive, models, options)


def _chunks(events: Sequence[Event], count: int) -> list[Sequence[Event]]:
    return [events[len(events) * part // count : len(events) * (part + 1) // count] for part in range(count)]


@contextmanager
def _archiving(url: str, archive: Path) -> Iterator[None]:
    words = ("archive", "--to", str(archive), "--redis-url", url, "--flush-seconds", "0.2", "--report-seconds", "3600")
    command = (sys.executable, "-m", "presage_server", *words)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def _now() -> int:
    return time.time_ns() // 1_000
