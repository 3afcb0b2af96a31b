"""Links of Markdown: which files they name, and how they lead there from a page of the site."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from os.path import relpath
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Final

_LINK: Final = re.compile(r"`[^`\n]*`|(?<=\]\()([^)#\s]+)(?=[)#\s])")
"""The target of a link, as its group; code in a line is matched too, so that nothing in it is taken for a link."""
_SCHEME: Final = re.compile(r"[a-z]+:")
_TITLE: Final = re.compile(r"^# (.+)$", re.MULTILINE)


def title_of(markdown: str) -> str:
    """Return the text of the first heading; empty if there is none."""
    found = _TITLE.search(markdown)
    return found[1] if found else ""


def link_targets(markdown: str, page: Path, root: Path) -> Iterator[str]:
    """Yield the places in the repository that a page links to and that are there."""
    here = page.relative_to(root).as_posix()
    for text, is_code in _parts(markdown):
        if not is_code:
            for link in _LINK.findall(text):
                target = _resolved(link, here) if link else None
                if target is not None and (root / target).exists():
                    yield target


def rewrite_links(markdown: str, path: str, uri: str, find_page: Callable[[str], str | None]) -> str:
    """Return a page whose links to files of the repository lead to the pages that the site has of them.

    Args:
        markdown: The text of the page.
        path: The file that it is, from the repository's root.
        uri: Where the site has it.
        find_page: Returns where the site has a file of the repository, or None for what is none.
    """

    def rewritten(link: re.Match[str]) -> str:
        target = _resolved(link[1], path) if link[1] else None
        page = None if target is None else find_page(target)
        return link[0] if page is None else Path(relpath(page, dirname(uri) or ".")).as_posix()

    return "".join(text if is_code else _LINK.sub(rewritten, text) for text, is_code in _parts(markdown))


def _resolved(link: str, here: str) -> str | None:
    if _SCHEME.match(link) or link.startswith("/"):
        return None
    target = normpath(join(dirname(here), link))
    return None if target.startswith("..") else target


def _parts(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yield the text in its order, and whether each part is code between fences."""
    is_code = False
    for line in markdown.splitlines(keepends=True):
        is_fence = line.lstrip().startswith("```")
        yield line, is_code or is_fence
        is_code ^= is_fence
