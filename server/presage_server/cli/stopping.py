"""Commands that end in good order on SIGTERM and Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread
from typing import Any, Final

__all__ = ["stop_on_signals"]

_STOP: Final = b"s"
_OVER: Final = b"o"


@contextmanager
def stop_on_signals(stop: Flag) -> Iterator[None]:
    """Set ``stop`` on the first SIGTERM or Ctrl-C; a second one ends the process at once, which does no harm."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    reading, writing = os.pipe()

    def watch() -> None:
        if os.read(reading, 1) == _STOP:
            stop.set()

    def end(_number: int, _frame: Any) -> None:
        # Not ``stop.set()``: it takes a lock that the interrupted code holds if it is about to wait for the flag.
        os.write(writing, _STOP)
        for number, handler in before.items():
            signal.signal(number, handler)

    watcher = Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(writing, _OVER)
        watcher.join()
        os.close(reading)
        os.close(writing)
