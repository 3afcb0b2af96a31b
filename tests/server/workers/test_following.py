"""The folder of models as a supervisor follows it, up to the end of the server."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from prometheus_client import CollectorRegistry

from presage_export.registry import Aliases, replace_aliases
from presage_server.settings import Settings
from presage_server.workers.following import ModelFollower
from support.bundle_files import copy_bundle
from support.running_server import GENEROUS_SECONDS


@pytest.fixture
def folder(models, tmp_path):
    """With a version 2 beside the champion."""
    folder = tmp_path / "models"
    shutil.copytree(models / "conversion", folder / "conversion")
    copy_bundle(folder / "conversion" / "1", folder / "conversion" / "2")
    name_champion(folder, "1", 0)
    return folder


def name_champion(folder, version, revision):
    aliases = Aliases(champion=version, revision=revision)
    replace_aliases(folder / "conversion", aliases, now_unix_micros=1, changed_by="me", reason="a test")


async def test_a_server_that_ends_while_its_workers_change_says_nothing_of_it(folder, caplog):
    settings = Settings(models=folder, reload_seconds=0.05)
    follower = ModelFollower(settings, None, CollectorRegistry())
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def change(_plan):
        begun.set()
        try:
            await asyncio.sleep(2 * GENEROUS_SECONDS)
        finally:
            given_up.set()

    await follower.choose()
    follower.follow(change, settings)
    name_champion(folder, "2", 1)
    await asyncio.wait_for(begun.wait(), GENEROUS_SECONDS)
    follower.stop()
    await asyncio.wait_for(given_up.wait(), GENEROUS_SECONDS)
    begun.clear()
    name_champion(folder, "1", 2)
    await asyncio.sleep(0.2)
    await follower.close()

    assert not begun.is_set(), "nothing is changed any more"
    assert caplog.messages == []
