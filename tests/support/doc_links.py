"""Links and anchors of Markdown pages, as GitHub and an editor show them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from support.doc_blocks import ROOT

_NOT_OURS = {"build", "dist", "node_modules"}
_TEMPLATES = {"benchmarks/chaos/page.md"}
"""Pages are written from them, in other folders."""
_READER = MarkdownIt("commonmark").enable("table")
_HTML_LINK = re.compile(r"""<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=["']([^"']+)""")
_HTML_ANCHOR = re.compile(r"""\b(?:id|name)=["']([^"']+)""")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


def markdown_pages() -> list[Path]:
    """Return every Markdown file and notebook of the repository, in order."""
    pages = [*ROOT.rglob("*.md"), *ROOT.rglob("*.ipynb")]
    return sorted(page for page in pages if not _is_left_out(page.relative_to(ROOT)))


def text_of(page: Path) -> str:
    """Return the Markdown of a page; of a notebook, that of all its cells of text."""
    if page.suffix == ".md":
        return page.read_text()
    cells = json.loads(page.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def _is_left_out(path: Path) -> bool:
    return path.as_posix() in _TEMPLATES or any(part in _NOT_OURS or part.startswith(".") for part in path.parts)


def links_of(text: str) -> list[str]:
    """Return where the links and pictures of a page lead, in order."""
    return [link for token in _tokens(text) for link in _links(token)]


def _links(token: Token) -> Iterator[str]:
    target = token.attrs.get("href") or token.attrs.get("src")
    if target is not None:
        yield unquote(str(target))
    if token.type in {"html_block", "html_inline"}:
        yield from _HTML_LINK.findall(token.content)


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page: those of its headings, and those that its HTML names."""
    seen: Counter[str] = Counter()
    anchors: set[str] = set()
    tokens = list(_tokens(text))
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            slug = _slug(tokens[number + 1])
            anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
        if token.type in {"html_block", "html_inline"}:
            anchors.update(_HTML_ANCHOR.findall(token.content))
    return anchors


def _slug(heading: Token) -> str:
    text = "".join(child.content for child in heading.children or () if child.type in {"text", "code_inline"})
    return _NOT_IN_ANCHORS.sub("", text.strip().lower()).replace(" ", "-")


def _tokens(text: str) -> Iterator[Token]:
    for token in _READER.parse(text):
        yield token
        yield from token.children or ()


@cache
def _anchors_in(page: Path) -> set[str]:
    return anchors_of(text_of(page))


def broken_links(page: Path) -> list[str]:
    """Return the links of a page that lead to no file of the repository, or to no heading of that file."""
    return [link for link in links_of(text_of(page)) if not _leads_somewhere(link, page)]


def _leads_somewhere(link: str, page: Path) -> bool:
    if link.startswith(("https://", "http://", "mailto:")):
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or (target.suffix in {".md", ".ipynb"} and anchor in _anchors_in(target))
