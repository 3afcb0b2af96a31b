"""The dashboards, rules and alerts of deploy/: up to date, valid, and about metrics that a server exports."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from presage_server.access.tokens import encode_tokens
from support.certificates import Authority
from support.metrics import metrics_text
from support.running_server import server_process

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROMETHEUS, GRAFANA = DEPLOY / "prometheus", DEPLOY / "grafana"
DASHBOARDS = sorted(GRAFANA.glob("*.json"))
OF_PROMETHEUS = {"up"}
NAME = re.compile(r"\b(?:presage|grpc_server|process)_[a-z_]+\b|\bup\b")
RECORDED = re.compile(r"\bpresage:[a-z_]+(?::[a-z0-9_]+)?")


def run_promtool(*arguments: str, folder: Path = PROMETHEUS) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: the Debian package prometheus has it")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def expressions(dashboard: Path) -> list[str]:
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_the_dashboards_are_what_their_code_writes():
    spec = importlib.util.spec_from_file_location("dashboards", GRAFANA / "dashboards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = {path.name: path.read_text() for path in DASHBOARDS}
    assert written == module.texts(), "run make dashboards, and commit what it writes"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_expression_of_a_dashboard_is_valid(dashboard, tmp_path):
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for number, expression in enumerate(expressions(dashboard)):
        tried = expression.replace("$__rate_interval", "5m")
        lines += [f"      - record: dashboard:expression{number}", f"        expr: {json.dumps(tried)}"]
    (tmp_path / "rules.yml").write_text("\n".join(lines))
    run_promtool("check", "rules", "rules.yml", folder=tmp_path)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_the_panels_of_a_dashboard_are_told_apart_and_explained(dashboard):
    found = json.loads(dashboard.read_text())
    panels = [panel for panel in found["panels"] if panel["type"] != "row"]
    titles = [panel["title"] for panel in panels]
    assert len(set(titles)) == len(titles)
    assert all(panel["description"].endswith(".") and panel["fieldConfig"]["defaults"]["unit"] for panel in panels)
    assert {variable["name"] for variable in found["templating"]["list"]} == {"datasource", "job", "instance"}


def test_the_rules_and_the_configuration_are_valid():
    run_promtool("check", "rules", "rules.yml")
    run_promtool("check", "config", "--syntax-only", "prometheus.yml")


def test_alerts_fire_when_they_should():
    run_promtool("test", "rules", "rules.test.yml", "rules-of-days.test.yml")


@pytest.mark.slow
async def test_every_metric_that_is_used_is_exported(models, store, tmp_path, unused_tcp_port):
    certificate = Authority(tmp_path / "authority").issue("localhost")
    tokens = tmp_path / "tokens.json"
    tokens.touch(mode=0o600)
    tokens.write_bytes(encode_tokens([]))
    flags = (
        *("--models", str(models), "--redis-url", store.url, "--workers", "2", "--metrics-port", str(unused_tcp_port)),
        *("--tokens-file", str(tokens), "--open-without-token", "health,metrics"),
        *("--trace-endpoint", "http://127.0.0.1:9"),
        *("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key)),
    )
    with server_process(tmp_path / "log", *flags) as server:
        assert server.address
        exported = await metrics_text(unused_tcp_port)
    # With its suffixes: what has no labels yet has a type all the same.
    families = re.findall(r"^# TYPE (\S+) (\S+)$", exported, flags=re.MULTILINE)
    names = {name for name, _ in families} | {
        f"{name}{suffix}" for name, kind in families if kind == "histogram" for suffix in ("_bucket", "_count", "_sum")
    }
    rules = (PROMETHEUS / "rules.yml").read_text()
    rules = "\n".join(line.partition(" #")[0] for line in rules.splitlines())
    used = {name for dashboard in DASHBOARDS for text in expressions(dashboard) for name in NAME.findall(text)}
    used |= {name for line in rules.splitlines() for name in NAME.findall(line)}
    assert used - names - OF_PROMETHEUS == set()
    recorded = set(re.findall(r"record: (\S+)", rules))
    assert {
        name for dashboard in DASHBOARDS for text in expressions(dashboard) for name in RECORDED.findall(text)
    } <= recorded
