"""The documentation site has every page, and what code and contract say."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import presage.v1
from support.browsers import browser_path, check_accessibility, open_page, running_browser
from support.doc_blocks import ROOT, name_of
from website.contract_pages import FOLDER, contract_pages
from website.notebook_pages import notebook_pages
from website.python_pages import MODULES, python_pages
from website.repository import INCLUDED, find_page, included_pages, linked_files, repository_path, source_page
from website.rewriting import rewrite_links

_NO_NETWORK = """
import runpy, sys
def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo"}:
        raise SystemExit(f"expected a build without the network, got {event} {arguments}")
sys.addaudithook(refuse)
sys.argv = ["mkdocs", "build", "--strict", "--site-dir", sys.argv[1]]
runpy.run_module("mkdocs", run_name="__main__")
"""
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*?\ssrc=["']?(?:https?:)?//|<link\b[^>]*?\shref=["']?(?:https?:)?//"""
)
_FETCHED_BY_STYLES = re.compile(r"""(?:url\(|@import )["']?(?:https?:)?//""")


class _Loader(yaml.SafeLoader):
    """Reads ``mkdocs.yml``, whose tags are for MkDocs."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return yaml.load((ROOT / "mkdocs.yml").read_text(), _Loader)


def pages_in(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for entry in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from pages_in(entry)


def test_the_navigation_has_every_page_once(config) -> None:
    written = [name_of(page).removeprefix("docs/") for page in (ROOT / "docs").rglob("*.md")]
    made = [*contract_pages(), *python_pages(), *notebook_pages(), *INCLUDED.values()]

    assert sorted(pages_in(config["nav"])) == sorted([*written, *made])


def test_the_contract_has_every_field_with_its_comment() -> None:
    pages = contract_pages()
    for module in (f"{Path(name).stem}_pb2" for name in pages):
        file = import_module(f"{presage.v1.__name__}.{module}").DESCRIPTOR
        page = pages[f"{FOLDER}/{module.removesuffix('_pb2')}.md"]
        messages = [field.name for message in file.message_types_by_name.values() for field in message.fields]
        methods = [method.name for service in file.services_by_name.values() for method in service.methods]
        values = [value.name for enum in file.enum_types_by_name.values() for value in enum.values]
        rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", page, re.MULTILINE)

        assert sorted(name for name, _ in rows) == sorted([*messages, *methods, *values])
        assert [name for name, meaning in rows if not meaning.endswith(".")] == []
    assert (
        "| `items` | 6 | repeated [Item](#item) | The products concerned, at most 2,000. |"
        in pages[f"{FOLDER}/event.md"]
    )
    assert "| `labels` | 13 | map of `string` to `string` |" in pages[f"{FOLDER}/event.md"]
    assert "| `Score` | [ScoreRequest](#scorerequest) |" in pages[f"{FOLDER}/scoring_service.md"]
    assert "[Event](event.md#event)" in pages[f"{FOLDER}/scoring_service.md"]


def exported_names(module: str) -> list[str]:
    """Return ``__all__`` of a module, without the libraries that an import would load."""
    path = module.replace(".", "/")
    (source,) = [*ROOT.glob(f"*/{path}/__init__.py"), *ROOT.glob(f"*/{path}.py")]
    tree = ast.parse(source.read_text())
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )


def test_the_pages_of_python_have_every_name_that_is_exported() -> None:
    pages = python_pages()
    for name in MODULES:
        lines = pages[f"reference/python/{name}.md"].splitlines()
        shown = [line.removeprefix(f"::: {name}.") for line in lines if line.startswith("::: ")]

        assert sorted(shown) == sorted(exported_names(name))


def test_the_page_of_a_notebook_has_its_text_code_and_outputs() -> None:
    page = notebook_pages()["notebooks/train-compare-explain-ship.md"]

    assert page.startswith("# Train, compare, explain, ship\n")
    assert 'href="train-compare-explain-ship.ipynb" download' in page
    assert "`````python\n" in page
    assert "`````sh\npresage models promote" in page
    assert "`````text\n" in page
    assert page.count("](data:image/png;base64,") == 3


def test_links_lead_to_the_pages_of_what_they_name() -> None:
    text = (
        "[`a`](docs/how-to/operate.md#tokens) [b](SECURITY.md) [c](deploy) `[d](LICENSE)` [e](https://x.y/docs) [f](#use) "
        "![g](data:x)\n"
    )
    from_readme = rewrite_links(f"{text}```sh\n[g](SECURITY.md)\n```\n", "README.md", "index.md", find_page)
    from_page = rewrite_links(
        "[a](../../SECURITY.md) [b](backfill.md)", "docs/how-to/operate.md", "how-to/operate.md", find_page
    )

    assert from_readme == (
        "[`a`](how-to/operate.md#tokens) [b](about/security.md) [c](repository/deploy.md) `[d](LICENSE)` "
        "[e](https://x.y/docs) [f](#use) ![g](data:x)\n```sh\n[g](SECURITY.md)\n```\n"
    )
    assert from_page == "[a](../about/security.md) [b](backfill.md)"


def test_files_that_pages_link_to_are_shown_and_folders_listed() -> None:
    linked = linked_files()

    assert {"deploy", "deploy/systemd/presage.service", "proto/presage/v1/event.proto"} <= set(linked)
    assert not [path for path in linked if path.startswith("docs/") or "_pb2" in path or path in INCLUDED]
    assert "enum EventType {" in source_page("proto/presage/v1/event.proto")
    assert "[deploy/systemd](deploy/systemd)" in source_page("deploy")
    assert included_pages()["about/changelog.md"] == (ROOT / "CHANGELOG.md").read_text()
    assert repository_path("about/changelog.md") == "CHANGELOG.md"


def test_what_is_vendored_is_what_was_published() -> None:
    script = ROOT / "website/theme/assets/iframe-worker-1.0.4/shim.js"

    digest = "e8e412dbcfea9b7e31b5ffa288d7b6035915e714c542f4176a0cdbe262fc9609"
    assert hashlib.sha256(script.read_bytes()).hexdigest() == digest
    assert (
        "MIT" in script.with_name("LICENSE").read_text()
        or "Permission is hereby granted" in script.with_name("LICENSE").read_text()
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the site, built without the network."""
    folder = tmp_path_factory.mktemp("built") / "site"
    done = subprocess.run(
        [sys.executable, "-c", _NO_NETWORK, str(folder)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.mark.slow
def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 100
    assert [str(page) for page in pages if _FETCHED.search(page.read_text())] == []
    assert [str(style) for style in site.rglob("*.css") if _FETCHED_BY_STYLES.search(style.read_text())] == []


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_pages_can_be_read_by_everyone_and_searched_from_a_folder(site: Path, colours: str) -> None:
    path = browser_path()
    if path is None:
        pytest.skip("no chromium is installed here")
    with running_browser(path) as browser:
        with open_page(browser, color_scheme=colours) as page:
            for name in (
                "index",
                "how-to/map-ga4-events",
                "reference/contract/event",
                "reference/python/presage_client",
            ):
                page.goto((site / f"{name}.html").as_uri())
                check_accessibility(page)
            page.get_by_role("textbox", name="Search").fill("shadow")
            page.locator(".md-search-result__item", has_text="challenger, shadow").first.wait_for()
        with open_page(browser, color_scheme=colours, viewport={"width": 320, "height": 700}) as page:
            page.goto((site / "reference/settings.html").as_uri())
            check_accessibility(page)
