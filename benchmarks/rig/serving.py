"""What is measured: a store of one's own, and ``presage serve`` on it, each as a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from presage_server.store.embedded import embedded_store

__all__ = ["local_store", "presage_process", "presage_serve", "serving_process"]

_READY = ": serving on "
_STOP_SECONDS = 30.0


@contextmanager
def local_store() -> Iterator[str]:
    """Run a store like the one that ``presage serve`` starts by itself, on a folder that goes with it.

    Yields:
        Its URL.
    """
    with tempfile.TemporaryDirectory(prefix="presage-bench-") as folder, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        url = runner.run(stack.enter_async_context(embedded_store(Path(folder))))
        try:
            yield url
        finally:
            runner.run(stack.aclose())


@contextmanager
def presage_serve(redis_url: str, *flags: str) -> Iterator[str]:
    """Run ``presage serve`` on a free port; yields HOST:PORT. See ``presage_process``."""
    with presage_process(redis_url, *flags) as (address, _):
        yield address


@contextmanager
def presage_process(
    redis_url: str, *flags: str, python: str = sys.executable, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """Run ``presage serve`` on a free port.

    Args:
        redis_url: The store that it uses.
        flags: Further flags of its command line.
        python: The interpreter that runs it.
        environment: Its variables; those of this process unless given.

    Yields:
        HOST:PORT, once it answers, and the process's id.

    Raises:
        RuntimeError: It does not start; the message is what it wrote to its log.
    """
    command = (python, "-m", "presage_server", "serve", "--port", "0", "--redis-url", redis_url, *flags)
    with serving_process(command, environment) as served:
        yield served


@contextmanager
def serving_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """Run a server that prints one line when it answers, such as ``presage: serving on HOST:PORT``; see ``presage_process``."""
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if _READY not in line:
                log.seek(0)
                raise RuntimeError(f"expected a line with {_READY!r}, got {line!r}; its log:\n{log.read()}")
            yield line.partition(_READY)[2].strip(), process.pid
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
