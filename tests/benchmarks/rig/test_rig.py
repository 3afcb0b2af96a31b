from __future__ import annotations

from contextlib import nullcontext

import pytest
import redis

from benchmarks.rig import rig, visitors
from benchmarks.rig.checkouts import Checkout, CheckoutError
from benchmarks.rig.rig import open_rig
from benchmarks.rig.server_parts import state_key
from benchmarks.rig.visitors import user_id


@pytest.fixture(autouse=True)
def _few_simulated_visitors(monkeypatch):
    monkeypatch.setattr(visitors, "_SIMULATED", 20)
    monkeypatch.setattr(rig, "build_program", lambda _: None)


def test_what_a_rig_starts_ends_with_it():
    with open_rig(10) as opened:
        url = opened.start_store(options={"appendfsync": "no"})
        calls = opened.write_calls("score")
        with redis.Redis.from_url(url) as client:
            assert client.config_get("appendfsync") == {"appendfsync": "no"}
            assert client.exists(*(state_key(user_id(number)) for number in range(10))) == 10
            assert client.info("persistence")["aof_rewrite_in_progress"] == 0
        assert calls.file.stat().st_size > 0

    assert not calls.file.exists()
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


@pytest.mark.parametrize("path", ["benchmarks/rig/visitors.py", "benchmarks/wire/visitors.py"])
def test_a_revision_fills_its_own_store(path, tmp_path):
    module = tmp_path / path
    module.parent.mkdir(parents=True)
    for folder in (module.parent, module.parent.parent):
        (folder / "__init__.py").touch()
    module.write_text(
        "import redis\n"
        "def fill_store(url, visitors, now):\n"
        "    redis.Redis.from_url(url).mset({str(number): now for number in range(visitors)})\n"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.hatch.build]\ndev-mode-dirs = []\n")
    with open_rig(3) as opened:
        url = opened.start_store(Checkout(folder=tmp_path))
        with redis.Redis.from_url(url) as client:
            assert client.mget("0", "1", "2") == [str(opened.now_unix_micros).encode()] * 3


def test_a_revision_from_before_the_loads_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(rig, "checkout_of", lambda _: nullcontext(Checkout(folder=tmp_path)))
    monkeypatch.setattr(rig, "check_imports", lambda _: None)
    with open_rig(3) as opened, pytest.raises(CheckoutError, match=r"v0 has no benchmarks/rig/visitors\.py"):
        opened.check_out("v0")
