"""How commands that run until they are stopped are ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread
from typing import Any, Final

__all__ = ["signals_as_interrupts", "stop_on_signals"]

_STOP: Final = b"s"
_OVER: Final = b"o"


@contextmanager
def stop_on_signals() -> Iterator[Flag]:
    """Set a flag on SIGTERM and Ctrl-C, for as long as the context lasts."""
    stop = Flag()
    reading, writing = os.pipe()

    def watch() -> None:
        while os.read(reading, 1) == _STOP:
            stop.set()

    def on_signal(*_: Any) -> None:
        # Not ``stop.set()``: it takes a lock that the interrupted code holds if it is about to wait for the flag.
        os.write(writing, _STOP)

    watcher = Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    before: dict[int, Callable[..., Any] | int | None] = {
        number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(writing, _OVER)
        watcher.join()
        os.close(reading)
        os.close(writing)


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Have SIGTERM and SIGHUP clean up as Ctrl-C does, for as long as the context lasts.

    Ctrl-C counts even if it was ignored at the start, as in what a script puts into the background: SIGTERM arrives as one. So
    Ctrl-C at the script ends this, too. A SIGHUP that is ignored, as under nohup, stays so.
    """
    before = {signal.SIGINT: signal.getsignal(signal.SIGINT)}
    if before[signal.SIGINT] is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.getsignal(number)
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in reversed(before.items()):  # SIGINT last: until then, others arrive as one
            signal.signal(number, handler)
