"""How commands are ended by those who start them: a terminal, a script, nohup."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from support.running_server import GENEROUS_SECONDS

PLAIN = "time.sleep(600)"
ON_A_LOOP = "asyncio.run(asyncio.sleep(600))"
COMMAND = """
import asyncio, signal, time
from presage_training.commands.signals import signals_as_interrupts
try:
    with signals_as_interrupts():
        print("ready", flush=True)
        {work}
except KeyboardInterrupt:
    print("cleared up", flush=True)
"""


def ended(work: str, number: int, ignored: int) -> str:
    """Start a command where a signal is ignored, and end it; return what it says."""

    def ignore() -> None:
        signal.signal(ignored, signal.SIG_IGN)

    command = [sys.executable, "-c", COMMAND.format(work=work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=ignore) as process:  # noqa: PLW1509
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            process.wait(GENEROUS_SECONDS)
            return process.stdout.read()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("work", [PLAIN, ON_A_LOOP], ids=["plain", "on a loop"])
def test_a_command_that_a_script_has_put_into_the_background_clears_up(work, number):
    """Its shell has it ignore Ctrl-C."""
    assert ended(work, number, signal.SIGINT) == "cleared up\n"


def test_a_command_under_nohup_outlives_its_terminal():
    work = "signal.raise_signal(signal.SIGHUP); print('goes on')"
    assert ended(work, signal.SIGCONT, signal.SIGHUP) == "goes on\n"
