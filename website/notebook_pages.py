"""Pages of the notebooks: their text, their code and what it printed and drew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from website.repository import ROOT

FOLDER: Final = "notebooks"

_FENCE: Final = "`````"
_SHELL: Final = "%%sh\n"


def notebook_pages() -> dict[str, str]:
    """Return a page for each notebook, by its place in the site; the notebook itself is beside it, to be downloaded."""
    notebooks = sorted((ROOT / "docs" / FOLDER).glob("*.ipynb"))
    return {f"{FOLDER}/{path.stem}.md": _page(json.loads(path.read_text()), path.name) for path in notebooks}


def _page(notebook: Mapping[str, Any], name: str) -> str:
    parts = [part for cell in notebook["cells"] for part in _parts(cell)]
    # Below the title, which is the first part's first line.
    title, _, rest = parts[0].partition("\n")
    # In HTML, because a link of Markdown to a notebook leads to its page, which is this one.
    download = f'<a href="{name}" download>Download the notebook</a>'
    return "\n\n".join([title, download, rest.strip(), *parts[1:]]) + "\n"


def _parts(cell: Mapping[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
    elif source.startswith(_SHELL):
        yield _fenced(source.removeprefix(_SHELL), "sh")
    elif source:
        yield _fenced(source, "python")
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "image/png" in data:
            image = "".join("".join(data["image/png"]).split())
            yield f"![what the code above drew](data:image/png;base64,{image})"
        else:
            yield _fenced("".join(output.get("text") or data.get("text/plain", ())), "text")


def _fenced(text: str, language: str) -> str:
    return f"{_FENCE}{language}\n{text.rstrip()}\n{_FENCE}"
