"""Starts all that the demo shop needs: a store and a server, other visitors, an archiver and a learner, in a temporary folder.

Every process is a child that this one stops, by its own id; the kernel ends them if this process is killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from presage_console.errors import ConsoleError
from presage_console.settings import ConsoleSettings
from presage_console.shop.storefront import PLACEMENT
from presage_export.registry import read_aliases, replace_aliases
from presage_server.settings import shipped_models
from presage_server.store.embedded import end_with_parent
from presage_server.store.private_files import ADDRESS_FILE
from presage_training.commands.local_store import wait_for_store
from presage_training.commands.signals import signals_as_interrupts

__all__ = ["MODEL", "PLACEMENTS", "Playground", "connected", "playground"]

MODEL: Final = "conversion"
"""The model that learns."""
PLACEMENTS: Final = f"""\
[{PLACEMENT}]
cheaper_alternatives = 3
max_per_category = 8
"""
_TRAINING_LIBRARIES: Final = ("lightgbm", "onnx", "pyarrow", "sklearn")
_SERVE: Final = (
    "--port", "0", "--metrics-port", "0", "--reload-seconds", "0.5", "--item-bucket-seconds", "1", "--no-reflection",
    "--exposures-share", "1", "--sample-vectors-share", "1", "--default-model", MODEL, "--allow-set-aliases",
    "--drain-seconds", "1",
)  # fmt: skip
_LEARN: Final = (
    "--name", MODEL, "--after-purchases", "20", "--every-hours", "0", "--window-share", "0.3", "--share", "0.2",
    "--holdout-share", "0", "--min-sessions", "60", "--min-purchases", "5", "--tightest-at", "200", "--tolerance", "0.1",
    "--slice-tolerance", "1", "--cooldown-hours", "0", "--patience-hours", "0.25", "--poll-seconds", "2",
)  # fmt: skip
"""Thresholds for minutes; the defaults are for weeks."""
_SERVER: Final = "serve"
_STOP_SECONDS: Final = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Playground:
    """What runs, for as long as the context lasts."""

    server: str
    """HOST:PORT."""
    metrics_url: str
    redis_url: str
    """The store."""
    models: Path
    archive: Path
    """The archive's folder; stays empty without an archiver."""
    learns: bool
    """Whether an archiver and a learner run, which need the extra `train`."""


@contextmanager
def connected(settings: ConsoleSettings, *, on_progress: Callable[[str], None]) -> Iterator[ConsoleSettings]:
    """Start a playground if the shop is to be opened and no server is named; yields settings that name what there is.

    Raises:
        ConsoleError: A part does not start.
    """
    if not settings.shop or settings.server:
        yield settings
        return
    with playground(on_progress=on_progress) as found:
        yield replace(
            settings,
            server=found.server,
            metrics_url=found.metrics_url,
            redis_url=found.redis_url,
            models=str(found.models),
            archive=str(found.archive) if found.learns else "",
        )


@contextmanager
def playground(
    *, others_seconds: float = 1_200.0, on_progress: Callable[[str], None] = lambda _: None
) -> Iterator[Playground]:
    """Run the playground.

    Until it ends, SIGTERM and SIGHUP are as Ctrl-C, so that all processes are stopped and the folder is removed.

    Args:
        others_seconds: Over how many seconds the visits of other visitors are spread.
        on_progress: Called with what is being started.

    Raises:
        ConsoleError: A part does not start.
    """
    learns = all(find_spec(library) is not None for library in _TRAINING_LIBRARIES)
    with (
        signals_as_interrupts(),
        tempfile.TemporaryDirectory(prefix="presage-shop-", ignore_cleanup_errors=True) as name,
        ExitStack() as running,
    ):
        folder = Path(name)
        models, archive, store = folder / "models", folder / "archive", folder / "store"
        archive.mkdir()
        shutil.copytree(shipped_models(), models)
        (folder / "placements.toml").write_text(PLACEMENTS)

        def start(part: str, *arguments: str, says: bool = False) -> subprocess.Popen[str]:
            return running.enter_context(_child(folder, part, arguments, says=says))

        on_progress("starting a store and a server")
        running.callback(wait_for_store, store)
        serving = start(
            _SERVER, "presage_server", "serve", "--data-dir", str(store), "--models", str(models),
            "--placements", str(folder / "placements.toml"), *_SERVE,
            says=True,
        )  # fmt: skip
        server = _line_of(serving, folder / "serve.log").split()[-1]
        redis_url = (store / ADDRESS_FILE).read_text(encoding="utf-8").strip()
        if learns:
            _let_learn(models / MODEL)
            start(
                "archive", "presage_server", "archive", "--to", str(archive), "--redis-url", redis_url,
                "--flush-seconds", "1", "--report-seconds", "3600",
            )  # fmt: skip
        on_progress("letting other visitors in")
        others = start("others", "presage_console.shop.others", server, str(others_seconds), says=True)
        _line_of(others, folder / "others.log")
        if learns:
            start("learn", "presage_server", "learn", str(archive), "--models", str(models), *_LEARN)
        yield Playground(
            server=server,
            metrics_url=_metrics_url(folder / "serve.log"),
            redis_url=redis_url,
            models=models,
            archive=archive,
            learns=learns,
        )


@contextmanager
def _child(folder: Path, part: str, arguments: Sequence[str], *, says: bool) -> Iterator[subprocess.Popen[str]]:
    """Run a Python module for as long as the context lasts; its log is PART.log in the folder.

    Stdout is a pipe only for parts that print one line when they are ready. Nobody reads more of it, and a learner, which prints a
    line for each look at its challenger, would block forever once the pipe is full.
    """
    # The user's own settings do not apply, above all the address of a real store.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    environment["TMPDIR"] = str(folder)  # removed with the folder, even if it is killed
    with (folder / f"{part}.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [*end_with_parent(), sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if says else log,
            stderr=log,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal does not reach it: it is stopped in its turn
        )
    try:
        yield process
    finally:
        if part == _SERVER:
            process.terminate()  # and its store ends after it
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        process.kill()  # what the others write goes with the folder, and a learner that gives way to all takes long to end
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _line_of(process: subprocess.Popen[str], log: Path) -> str:
    """Return the line that a part prints when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ConsoleError(f"{log.stem} did not start:\n{log.read_text().strip()}")
    return line


def _metrics_url(log: Path) -> str:
    found = [line.split()[-1] for line in log.read_text().splitlines() if "metrics: http://" in line]
    return found[-1] if found else ""


def _let_learn(folder: Path) -> None:
    """Log all scores in pairs, and let scores shift as far as the shop differs from that of the shipped model.

    Servers drop a challenger whose mean score is further from the champion's than these rules allow.
    """
    aliases = read_aliases(folder)
    rules = msgspec.structs.replace(aliases.rollback, max_score_shift=1.0)
    changed = msgspec.structs.replace(aliases, rollback=rules, pairs_share=1.0)
    replace_aliases(
        folder,
        changed,
        now_unix_micros=time.time_ns() // 1_000,
        changed_by="presage console",
        reason="a shop that learns in minutes",
    )
