from __future__ import annotations

import asyncio
import time
from threading import Lock

from presage_console.visitor import routes
from support.consoles import NOWHERE, console_of


async def test_a_few_read_the_archive_at_a_time(monkeypatch, tmp_path):
    """Else they hold all threads, and no other page is answered."""
    lock, reading, most = Lock(), 0, 0

    def slow(_console):
        nonlocal reading, most
        with lock:
            reading += 1
            most = max(most, reading)
        time.sleep(0.02)
        with lock:
            reading -= 1
        return [], ""

    monkeypatch.setattr(routes, "_TURNS", 2)
    monkeypatch.setattr(routes, "_recent", slow)
    async with console_of(NOWHERE, archive=str(tmp_path)) as console:
        answers = await asyncio.gather(*(console.get("/visitors") for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert most == 2
