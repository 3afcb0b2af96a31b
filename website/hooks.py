"""What MkDocs does not do by itself: pages of what is outside docs/, of the contract and of the packages; see ``mkdocs.yml``."""

from __future__ import annotations

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website.contract_pages import contract_pages
from website.notebook_pages import notebook_pages
from website.python_pages import python_pages
from website.repository import find_page, included_pages, linked_files, page_uri, repository_path, source_page
from website.rewriting import rewrite_links, title_of

_HOW_TO = "How to "
_VARIABLE = re.compile(r"(?<=<td><code>)[A-Z0-9_]{16,}(?=</code></td>)")
_CODE = re.compile(r"<code>[^<]*</code>")
_FLAG = re.compile(r"(?<![^\s>])--[a-z]+")
_SEARCH = 'data-md-component="search" role="dialog"'


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    made = {**contract_pages(), **python_pages(), **notebook_pages(), **included_pages()}
    made |= {page_uri(path): source_page(path) for path in linked_files()}
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to where the site has what they name, and shorten the titles of how-tos in the navigation."""
    del config, files
    title = title_of(markdown)
    if title.startswith(_HOW_TO):
        short = title.removeprefix(_HOW_TO)
        page.meta.setdefault("title", short[0].upper() + short[1:])
    return rewrite_links(markdown, repository_path(page.file.src_uri), page.file.src_uri, find_page)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Name the search, which the theme leaves without a name, and break variables in tables and flags only between their words."""
    del page, config
    output = _VARIABLE.sub(lambda found: found[0].replace("_", "_<wbr>"), output)
    output = _CODE.sub(lambda found: _FLAG.sub(r'<span class="flag">\g<0></span>', found[0]), output)
    return output.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')
