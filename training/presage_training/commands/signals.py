"""How commands that follow something are ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any

__all__ = ["stop_on_signals"]


@contextmanager
def stop_on_signals() -> Iterator[Flag]:
    """Set a flag on SIGTERM and Ctrl-C, for as long as the context lasts."""
    stop = Flag()

    def on_signal(*_: Any) -> None:
        stop.set()

    before: dict[int, Callable[..., Any] | int | None] = {
        number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
