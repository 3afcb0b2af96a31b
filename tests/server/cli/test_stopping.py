"""A signal that comes at any moment, also while the flag itself is being looked at."""

from __future__ import annotations

import signal
import subprocess
import sys
from threading import Event as Flag

import pytest

from presage_server.cli.stopping import stop_on_signals

SERVER = """
from presage_server.cli.stopping import stop_on_signals
stop = Flag()
with stop_on_signals(stop):
"""
TRAINING = """
from presage_training.commands.signals import stop_on_signals
with stop_on_signals() as stop:
"""
IN_THE_FLAG = """
    with stop._cond:  # as code in Flag.wait
        signal.raise_signal(signal.SIGTERM)
    print(stop.wait(30))
"""


@pytest.mark.parametrize("beginning", [SERVER, TRAINING], ids=["server", "training"])
def test_a_signal_in_the_middle_of_waiting_for_the_flag_is_no_deadlock(beginning):
    code = "import signal\nfrom threading import Event as Flag\n" + beginning + IN_THE_FLAG
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.communicate(timeout=60)[0] == "True\n"
    finally:
        process.kill()  # a deadlock takes no other signal


def test_handlers_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals(Flag()):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
