"""A server in this process whose models may be changed, and a console of it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from presage_export.registry import Aliases, replace_aliases
from support.bundle_files import copy_bundle
from support.consoles import ConsoleUnderTest, console_of
from support.running_server import serving


@pytest.fixture
def folder(models, tmp_path) -> Path:
    """``conversion`` 1, 2 and 3, of which 1 is the champion and 3 is broken, and ``second`` 2."""
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    for version in "23":
        copy_bundle(folder / "conversion" / "1", folder / "conversion" / version)
    (folder / "conversion" / "3" / "model.onnx").write_bytes(b"broken")
    replace_aliases(
        folder / "conversion",
        Aliases(champion="1"),
        now_unix_micros=1_790_000_000_000_000,
        changed_by="ann",
        reason="the first",
    )
    return folder


@pytest.fixture
async def console(store, folder) -> AsyncIterator[ConsoleUnderTest]:
    """A console that reads the folder, too; nobody is signed in."""
    async with (
        serving(redis_url=store.url, models=folder, allow_set_aliases=True) as server,
        console_of(server.address, models=str(folder)) as console,
    ):
        yield console
