"""The files for Kubernetes, compose and systemd: valid, and with settings that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from presage_console.settings import ConsoleSettings
from presage_server.cli.variables import CONSOLE_PREFIX, check_variables
from presage_server.settings import REMOVED_SETTINGS, Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES_VERSIONS = ("1.30", "1.33")
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: make setup")


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text()))


def check_settings(variables: dict[str, str]) -> None:
    """Check that a server would start with these variables, as far as that can be seen without its files."""
    check_variables(variables, Settings, REMOVED_SETTINGS)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_takes_the_manifests(path, version):
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: make setup")
    for document in documents(path):
        validate.validate(document, version, strict=True)


def test_a_misspelt_field_would_be_found():
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: make setup")
    deployment = next(
        document for document in documents(DEPLOY / "kubernetes" / "server.yaml") if document["kind"] == "Deployment"
    )
    deployment["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(validate.ValidationError):
        validate.validate(deployment, KUBERNETES_VERSIONS[0], strict=True)


def test_kustomize_has_all_manifests_and_their_image():
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    assert sorted(kustomization["resources"]) == [path.name for path in MANIFESTS]
    images = {
        container["image"]
        for path in MANIFESTS
        for document in documents(path)
        for container in document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())
    }
    assert {image["name"] for image in kustomization["images"]} <= images


def test_pods_are_not_root_and_cannot_write_to_their_image():
    pods = [
        document["spec"]["template"]["spec"]
        for path in MANIFESTS
        for document in documents(path)
        if document["kind"] in {"Deployment", "StatefulSet"}
    ]
    assert len(pods) == 2
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["enableServiceLinks"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_settings_in_all_files_are_those_of_a_server_or_a_console():
    (compose,) = documents(DEPLOY / "compose" / "compose.yaml")
    check_settings(compose["services"]["presage"]["environment"])
    pods = [
        document for document in documents(DEPLOY / "kubernetes" / "server.yaml") if document["kind"] == "Deployment"
    ]
    (container,) = pods[0]["spec"]["template"]["spec"]["containers"]
    check_settings({entry["name"]: entry.get("value", "") for entry in container["env"]})
    text = (DEPLOY / "systemd" / "presage.env").read_text() + (DEPLOY / "systemd" / "presage.service").read_text()
    assigned = dict(re.findall(r"^(?:#|Environment=)?(PRESAGE_\w+)=(.*)$", text, re.MULTILINE))
    assert "PRESAGE_DATA_DIR" in assigned
    check_settings(assigned)
    console = dict(
        re.findall(r"^#?(PRESAGE_\w+)=(.*)$", (DEPLOY / "systemd" / "console.env").read_text(), re.MULTILINE)
    )
    assert "PRESAGE_CONSOLE_METRICS_URL" in console
    check_variables(console, ConsoleSettings, (), CONSOLE_PREFIX)
    dockerfile = (DEPLOY / "docker" / "Dockerfile").read_text()
    check_settings(dict(re.findall(r"(PRESAGE_\w+)=(\S+)", dockerfile)))


def test_a_pod_has_the_time_that_draining_takes():
    (deployment,) = [
        document for document in documents(DEPLOY / "kubernetes" / "server.yaml") if document["kind"] == "Deployment"
    ]
    pod = deployment["spec"]["template"]["spec"]
    delay = float(next(entry["value"] for entry in pod["containers"][0]["env"] if "DRAIN_DELAY" in entry["name"]))
    drain = next(field.default for field in Settings.__dataclass_fields__.values() if field.name == "drain_seconds")
    assert pod["terminationGracePeriodSeconds"] > delay + drain


def test_files_that_containers_get_are_here():
    (compose,) = documents(DEPLOY / "compose" / "compose.yaml")
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).exists(), source
            else:
                assert source in compose["volumes"]
        assert set(service["networks"]) <= set(compose["networks"])
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")  # nothing is encrypted


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_units(path, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    # It also looks for what is started, which is not installed here.
    text = path.read_text().replace("/opt/presage/bin/presage", "/bin/true")
    unit = tmp_path / path.name
    unit.write_text(text)
    for other in UNITS:
        if other != path:
            (tmp_path / other.name).write_text(other.read_text().replace("/opt/presage/bin/presage", "/bin/true"))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.replace("\n", " ").strip()) == (0, "")
