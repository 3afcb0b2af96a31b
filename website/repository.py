"""Which files of the repository the site has, and as which pages."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from website.rewriting import link_targets

ROOT: Final = Path(__file__).parents[1]

INCLUDED: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "about/changelog.md",
    "CONTRIBUTING.md": "about/contributing.md",
    "SECURITY.md": "about/security.md",
    "LICENSE": "about/licence.md",
    "benchmarks/README.md": "benchmarks/programs.md",
}
"""Files outside docs/ that are pages, by their place in the repository."""

_OTHERS: Final = "repository/"
_TEXTS: Final = {
    ".cc",
    ".cfg",
    ".env",
    ".js",
    ".json",
    ".md",
    ".proto",
    ".py",
    ".service",
    ".sh",
    ".toml",
    ".yaml",
    ".yml",
    "",
}
_LONGEST_CHARACTERS: Final = 40_000
"""Generated files, such as dashboards, are named without being shown."""
_NOT_SEARCHED: Final = "---\nsearch:\n  exclude: true\n---\n"
_FENCE: Final = "`````"
_LANGUAGES: Final = {".cc": "cpp", ".cfg": "text", ".env": "ini", ".service": "ini", "": "text"}
"""Of files whose language is not what they end with."""


def page_uri(path: str) -> str:
    """Return the page of a file or folder of the repository."""
    if path in INCLUDED:
        return INCLUDED[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    return f"{_OTHERS}{path}" if path.endswith(".md") else f"{_OTHERS}{path}.md"


def find_page(path: str) -> str | None:
    """Return the page of a file or folder of the repository; None if there is no such file."""
    return page_uri(path) if (ROOT / path).exists() else None


def repository_path(uri: str) -> str:
    """Return the file or folder that a page is made of; for one that is made of none, where it would be."""
    if uri.startswith(_OTHERS):
        path = uri.removeprefix(_OTHERS)
        return path if (ROOT / path).exists() else path.removesuffix(".md")
    return next((path for path, page in INCLUDED.items() if page == uri), f"docs/{uri}")


def included_pages() -> dict[str, str]:
    """Return the pages of the files that are included as they are."""
    return {
        uri: (ROOT / path).read_text() if path.endswith(".md") else _shown(path, title="Licence")
        for path, uri in INCLUDED.items()
    }


def linked_files() -> list[str]:
    """Return the files and folders outside docs/ that pages link to, with all that is in those folders, in order."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / path for path in INCLUDED if path.endswith(".md"))]
    waiting = [target for page in pages for target in _linked(page)]
    found: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _linked(ROOT / path) if path.endswith(".md") else _children(path)
    return sorted(found)


def _linked(page: Path) -> list[str]:
    """Return what a page links to outside docs/, without what is included in any case."""
    targets = link_targets(page.read_text(), page, ROOT)
    return [path for path in targets if path not in INCLUDED and not path.startswith("docs/")]


def source_page(path: str) -> str:
    """Return a page that shows a file, or lists a folder."""
    if path.endswith(".md"):
        return (ROOT / path).read_text()
    return _listed(path) if (ROOT / path).is_dir() else _shown(path, title=path)


def _shown(path: str, *, title: str) -> str:
    text = (ROOT / path).read_text()
    if len(text) > _LONGEST_CHARACTERS:
        return f"{_NOT_SEARCHED}# {title}\n\nA file of {len(text):,} characters: see it in the repository.\n"
    return f"{_NOT_SEARCHED}# {title}\n\n{_FENCE}{_language(path)}\n{text.rstrip()}\n{_FENCE}\n"


def _language(path: str) -> str:
    name = Path(path).name
    suffix = Path(path).suffix
    return "docker" if name.startswith("Dockerfile") else _LANGUAGES.get(suffix, suffix.removeprefix("."))


def _listed(path: str) -> str:
    rows = "\n".join(f"- [{child}]({Path(path).name}/{Path(child).name})" for child in _children(path))
    return f"{_NOT_SEARCHED}# {path}/\n\n{rows}\n"


def _children(path: str) -> list[str]:
    """Return the files that a folder has for readers, in order, those of its folders last."""
    folder = ROOT / path
    if not folder.is_dir():
        return []
    children = sorted(folder.iterdir(), key=lambda child: (child.is_dir(), child.name))
    return [str(child.relative_to(ROOT)) for child in children if _is_for_readers(child)]


def _is_for_readers(path: Path) -> bool:
    if path.is_dir():
        return path.name not in {"node_modules", "__pycache__"}
    return path.suffix in _TEXTS and not path.stem.endswith(("_pb2", "_pb2_grpc", "__init__"))
