"""The wheel and the sdist, used away from the checkout; `make clean-machine` is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "clean_machine.sh"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_clean_machine_installs_the_client_alone_and_runs_the_demo():
    done = subprocess.run(
        [SCRIPT], env=os.environ | {"PYTHON": sys.executable}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "measured by the client" in done.stdout
    assert done.stdout.endswith("a clean machine can install and use Presage\n")
