"""What an install with the extra ``console`` can do: every page opens, with styles and scripts. Run with its interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import urlopen

_NOT_NEEDED = {"lightgbm", "onnx", "pyarrow", "scikit-learn", "xgboost-cpu"}
_LINKS = re.compile(r'(?:href|src)="(/[^"]*)"')


def main() -> None:
    """Check it; raises AssertionError."""
    installed = {distribution.metadata["Name"] for distribution in distributions()}
    assert not installed & _NOT_NEEDED, f"the console has installed {installed & _NOT_NEEDED}"
    command = Path(sysconfig.get_path("scripts"), "presage")
    with subprocess.Popen([command, "console", "--port", "0"], stdout=subprocess.PIPE, text=True) as console:
        try:
            assert console.stdout is not None
            address = console.stdout.readline().rpartition(" ")[2].strip()
            links = set(_LINKS.findall(_open(address)))
            assert any(link.startswith("/static/vendor/htmx") for link in links), links
            for link in links:
                _open(urljoin(address, link))
        finally:
            console.terminate()
    assert console.returncode == 0, console.returncode
    sys.stdout.write(f"console: {len(links)} pages and files opened\n")


def _open(address: str) -> str:
    """Return what is at an address; 503 is what a page answers whose server is not there."""
    try:
        with urlopen(address) as answer:
            text: str = answer.read().decode()
            return text
    except HTTPError as error:
        if error.code != 503:
            raise
        return ""


if __name__ == "__main__":
    main()
