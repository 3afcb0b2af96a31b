from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sysconfig
from pathlib import Path
from urllib.request import urlopen

import pytest

from presage_console.command import console
from support.running_server import GENEROUS_SECONDS

PRESAGE = Path(sysconfig.get_path("scripts"), "presage")


def test_the_command_prints_its_address_and_token_and_ends_well():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    with subprocess.Popen(
        [PRESAGE, "console"],
        env=environment | {"PRESAGE_CONSOLE_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        readable, _, _ = select.select([process.stdout], [], [], GENEROUS_SECONDS)
        first, second = process.stdout.readline(), process.stdout.readline()
        (address,) = re.findall(r"presage console: open (http://127\.0\.0\.1:\d+/)\n", first)
        with urlopen(address) as page:
            assert b"What Presage sees" in page.read()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=GENEROUS_SECONDS)
    assert readable
    assert re.search(r"sign in with \S{32}\n", second)
    assert (process.returncode, output, errors) == (0, "", "")


def test_settings_that_cannot_work_end_it_with_their_name(capsys):
    with pytest.raises(SystemExit) as ended:
        console(host="0.0.0.0")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("presage console: host: expected a loopback address")


def test_a_port_that_is_in_use_ends_it_with_the_reason(capsys, unused_tcp_port):
    from presage_console.serving import listen
    from presage_console.settings import ConsoleSettings

    with listen(ConsoleSettings(port=unused_tcp_port)), pytest.raises(SystemExit) as ended:
        console(port=unused_tcp_port)
    assert ended.value.code == 2
    assert "presage console: cannot listen: " in capsys.readouterr().err
