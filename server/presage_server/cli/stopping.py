"""Commands that end in good order on SIGTERM and Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any

__all__ = ["stop_on_signals"]


@contextmanager
def stop_on_signals(stop: Flag) -> Iterator[None]:
    """Set ``stop`` on the first SIGTERM or Ctrl-C; a second one ends the process at once, which does no harm."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def end(_number: int, _frame: Any) -> None:
        stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
