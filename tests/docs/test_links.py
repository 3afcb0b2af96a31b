"""Every link of every Markdown page leads to a file of the repository and, if it names one, to a heading there."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.doc_blocks import ROOT, name_of
from support.doc_links import anchors_of, broken_links, links_of, markdown_pages


@pytest.mark.parametrize("page", markdown_pages(), ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert broken_links(page) == []


def test_all_pages_are_looked_at() -> None:
    names = {name_of(page) for page in markdown_pages()}

    assert {"README.md", "CHANGELOG.md", "SECURITY.md", "docs/benchmarks.md", "client/examples/node/README.md"} <= names
    assert not [name for name in names if name.startswith((".venv", "build"))]


def test_links_are_found_in_all_their_forms() -> None:
    text = (
        "[a](a.md) ![b](b.png)\n[c][1] `[no](no.md)` [two\nlines](d.md#e%20f)\n\n[1]: c.md\n\n| x |\n|---|\n| [g](g.md) |\n\n"
        '<img src="h.png">\n\n```text\n[no](no.md)\n```\n'
    )

    assert links_of(text) == ["a.md", "b.png", "c.md", "d.md#e f", "g.md", "h.png"]


def test_anchors_are_those_of_github() -> None:
    text = '# A *b* `c_d`: e/f, "g"!\n\n## Twice\n\n## Twice\n\n<a id="own"></a>\n\n```sh\n# none\n```\n'

    assert anchors_of(text) == {"a-b-c_d-ef-g", "twice", "twice-1", "own"}


@pytest.mark.parametrize(
    "link", ["nothing.md", "#nothing", "README.md#nothing", "../outside.md", "/README.md", "LICENSE#nothing"]
)
def test_a_broken_link_is_found(link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.doc_links.ROOT", tmp_path)
    for name in ("README.md", "LICENSE"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    page = tmp_path / "page.md"
    page.write_text(f"[right](README.md#use-it) [right](LICENSE) [wrong]({link})")

    assert broken_links(page) == [link]
