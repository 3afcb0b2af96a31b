"""The examples of the README and of the how-to pages run, in their order, against a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.running_server import server_process

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")

pages_with_examples = [page for page in PAGES if PYTHON_BLOCK.search(page.read_text())]


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """Where a server with the models that come with Presage is."""
    directory = tmp_path_factory.mktemp("docs")
    with server_process(directory / "log", "--data-dir", str(directory / "data")) as server:
        yield server.address


@pytest.mark.parametrize("page", pages_with_examples, ids=lambda page: page.name)
def test_examples_run(page: Path, address: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # one of them writes a model
    names: dict[str, object] = {}
    for block in PYTHON_BLOCK.findall(page.read_text()):
        exec(compile(block.replace("localhost:50051", address), str(page), "exec"), names)


def test_the_readme_has_an_example_for_the_client_and_one_for_the_stubs() -> None:
    text = (ROOT / "README.md").read_text()

    assert "from presage_client import" in text
    assert "scoring_service_pb2_grpc.ScoringServiceStub" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]

    assert [target for target in targets if not (page.parent / target).exists()] == []
