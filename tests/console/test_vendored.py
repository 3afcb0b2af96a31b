"""What pages load besides our own files is what was published, and comes with its licence."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from presage_console.rendering import STATIC

VENDOR = STATIC / "vendor"
SCRIPT = Path(__file__).parents[2] / "console" / "vendor.sh"


def test_every_file_has_the_digest_that_is_written_down():
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    digests = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {file.name: sha256(file.read_bytes()).hexdigest() for file in VENDOR.iterdir() if file.name != "SHA256SUMS"}
    assert files == digests


def test_the_files_are_of_the_versions_that_are_fetched_and_have_their_licences():
    htmx, uplot = re.findall(r"^[A-Z]+=.*@(.+)$", SCRIPT.read_text(), re.MULTILINE)
    assert f'version="{htmx}"' in (VENDOR / "htmx.min.js").read_text().replace("'", '"')
    assert f"v{uplot}" in (VENDOR / "uPlot.iife.min.js").read_text()
    assert "Permission to use" in (VENDOR / "htmx-LICENSE.txt").read_text()
    assert "MIT License" in (VENDOR / "uPlot-LICENSE.txt").read_text()
