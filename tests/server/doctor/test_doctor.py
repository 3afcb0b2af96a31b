"""``presage doctor``, as an operator runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sysconfig
from pathlib import Path

import pytest

from presage_server.doctor import machine, setup
from presage_server.doctor import store as store_checks
from presage_server.doctor.check import Check, Outcome, run_checks
from presage_server.settings import Settings
from support.running_server import server_process
from support.tokens import write_tokens


def run_doctor(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    return subprocess.run(
        [Path(sysconfig.get_path("scripts"), "presage"), "doctor", *flags],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def checks_of(*flags: str, **variables: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = run_doctor("--json", *flags, **variables)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    worst = max((check["outcome"] for check in found["checks"]), key=list(Outcome).index)
    assert found["outcome"] == worst
    return done.returncode, {check["name"]: check for check in found["checks"]}


def outcomes(checks) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in checks}


def test_a_server_that_would_serve_has_no_failure(models, store, unused_tcp_port_factory):
    port, metrics_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    flags = (
        "--models",
        str(models),
        "--redis-url",
        store.url,
        "--port",
        str(port),
        "--metrics-port",
        str(metrics_port),
    )
    code, checks = checks_of(*flags)
    assert code == 0
    assert {check["outcome"] for check in checks.values()} <= {"ok", "warn"}
    assert checks["models"]["message"].endswith("serves conversion 1, second 2")
    assert checks["store version"]["message"].startswith("Valkey ")
    assert checks["store persistence"]["outcome"] == "warn", "the tests' store has none"
    assert (checks["port"]["outcome"], checks["metrics_port"]["outcome"]) == ("ok", "ok")
    assert [check["name"] for check in checks.values() if (check["outcome"] != "ok") != bool(check["remedy"])] == []


def test_what_is_printed_names_the_remedy(models):
    done = run_doctor("--models", str(models), "--redis-url", "redis://:S3cr3t@127.0.0.1:1/0", "--metrics-port", "-1")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("fail store: it cannot be used: ")]
    assert lines[place + 1].startswith("      -> check --redis-url")
    assert "S3cr3t" not in done.stdout + done.stderr


def test_settings_that_cannot_work_end_the_checks_that_need_them():
    code, checks = checks_of(PRESAGE_TIMEOUT_MS="0")
    assert (code, checks["settings"]["outcome"]) == (1, "fail")
    assert checks["settings"]["message"].startswith("timeout_ms: expected 1 to 600000")
    assert "store" not in checks
    code, checks = checks_of(PRESAGE_TIMEOUT="5")
    assert (code, "PRESAGE_TIMEOUT_MS" in checks["settings"]["message"]) == (1, True)


@pytest.mark.slow
def test_a_running_server_is_recognised_and_another_listener_is_not(models, store, tmp_path):
    with server_process(tmp_path / "log", "--models", str(models), "--redis-url", store.url) as server:
        port = int(server.address.rpartition(":")[2])
        assert outcomes(setup.check_port(Settings(port=port, metrics_port=0)))["port"] is Outcome.WARN
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = outcomes(setup.check_port(Settings(port=0, metrics_port=other.getsockname()[1])))
        assert found == {"port": Outcome.OK, "metrics_port": Outcome.FAIL}


def test_a_bundle_that_cannot_be_served_is_named(models, tmp_path):
    (check,) = setup.check_models(Settings(models=tmp_path))
    assert (check.outcome, str(tmp_path) in check.message) == (Outcome.FAIL, True)
    (check,) = setup.check_models(Settings(models=models, default_model="none"))
    assert (check.outcome, "'none'" in check.message) == (Outcome.FAIL, True)


def test_a_store_that_may_forget_fails_and_one_that_nearly_is_full_warns(store):
    settings = Settings(redis_url=store.url)
    try:
        store.redis.config_set("maxmemory-policy", "allkeys-lru")
        assert outcomes(store_checks.check_store(settings))["store memory"] is Outcome.FAIL
        store.redis.config_set("maxmemory-policy", "noeviction")
        assert outcomes(store_checks.check_store(settings))["store memory"] is Outcome.OK
        store.redis.config_set("maxmemory", store.redis.info("memory")["used_memory"] + 4096)
        assert outcomes(store_checks.check_store(settings))["store memory"] is Outcome.WARN
        store.redis.config_set("maxmemory", 0)
        store.redis.replicaof("127.0.0.1", 1)
        assert outcomes(store_checks.check_store(settings))["store role"] is Outcome.FAIL
    finally:
        store.redis.replicaof("NO", "ONE")
        store.redis.config_set("maxmemory", 0)
        store.redis.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize(("soft", "outcome"), [(64, Outcome.FAIL), (1_024, Outcome.WARN), (65_536, Outcome.OK)])
def test_few_file_descriptors_are_noticed(monkeypatch, soft, outcome):
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (soft, 65_536))
    (check,) = machine.check_files()
    assert check.outcome is outcome


def test_the_data_folder_must_be_writable_and_should_be_private(tmp_path, monkeypatch):
    (check,) = setup.check_data_dir(Settings(data_dir=tmp_path / "new" / "data"))
    assert check.outcome is Outcome.OK
    tmp_path.chmod(0o755)
    (check,) = setup.check_data_dir(Settings(data_dir=tmp_path))
    assert (check.outcome, check.remedy) == (Outcome.WARN, f"chmod 700 {tmp_path}")
    monkeypatch.setattr(setup.os, "access", lambda *_: False)
    (check,) = setup.check_data_dir(Settings(data_dir=tmp_path))
    assert check.outcome is Outcome.FAIL
    assert list(setup.check_data_dir(Settings(redis_url="redis://elsewhere"))) == []


def test_tokens_are_read_as_a_server_would(tmp_path):
    (check,) = setup.check_access(Settings())
    assert check.outcome is Outcome.OK
    (check,) = setup.check_access(Settings(host="10.1.2.3", insecure=True))
    assert (check.outcome, "can use every call" in check.message) == (Outcome.WARN, True)
    file = tmp_path / "tokens.json"
    (check,) = setup.check_access(Settings(tokens_file=str(file)))
    assert (check.outcome, "cannot be read" in check.message) == (Outcome.FAIL, True)
    write_tokens(file, shop="score", web="track")
    (check,) = setup.check_access(Settings(tokens_file=str(file)))
    assert (check.outcome, check.message) == (Outcome.OK, f"2 tokens in {file}")
    file.chmod(0o644)
    (check,) = setup.check_access(Settings(tokens_file=str(file)))
    assert (check.outcome, "chmod 600" in check.message) == (Outcome.FAIL, True)


def test_a_collector_that_is_not_there_warns(unused_tcp_port):
    assert list(setup.check_tracing(Settings())) == []
    (check,) = setup.check_tracing(Settings(trace_share=0.1))
    assert check.outcome is Outcome.WARN
    (check,) = setup.check_tracing(Settings(trace_endpoint=f"http://127.0.0.1:{unused_tcp_port}"))
    assert check.outcome is Outcome.WARN
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        (check,) = setup.check_tracing(Settings(trace_endpoint=f"http://127.0.0.1:{unused_tcp_port}"))
    assert check.outcome is Outcome.OK


def test_a_check_that_cannot_be_made_is_a_finding_without_secrets():
    def broken():
        yield Check("first", Outcome.OK, "well")
        raise RuntimeError("at redis://:S3cr3t@host")

    first, second = run_checks([("broken", broken)])
    assert (first.outcome, second.name, second.outcome) == (Outcome.OK, "broken", Outcome.FAIL)
    assert second.message == "the check could not be made: RuntimeError: at redis://***@host"
