"""The distribution is ``presage-scoring``, because another project owns ``presage`` on the package index."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("client", "export", "featurizer", "server", "training", "docs", "benchmarks")
SOURCES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"]
SOURCES += [path for folder in FOLDERS for kind in ("*.py", "*.md") for path in (ROOT / folder).rglob(kind)]
INSTALLED = re.compile(r"pip install ['\"]?(presage[\w-]*)")


def test_it_brings_the_command():
    (command,) = [entry for entry in distribution("presage-scoring").entry_points if entry.group == "console_scripts"]
    assert (command.name, command.value) == ("presage", "presage_client._command_line:main")


def test_it_has_the_extras_that_pages_and_messages_name():
    extras = set(distribution("presage-scoring").metadata.get_all("Provides-Extra"))
    named = {extra for path in SOURCES for extra in re.findall(r"presage-scoring\[([\w,]+)\]", path.read_text())}
    assert named
    assert {extra for extras_of_one in named for extra in extras_of_one.split(",")} <= extras


def test_no_page_and_no_message_installs_the_other_project():
    named = {path: INSTALLED.findall(path.read_text()) for path in SOURCES}
    assert sum(len(names) for names in named.values()) >= 7
    wrong = {str(path): names for path, names in named.items() if set(names) - {"presage-scoring"}}
    assert wrong == {}
