"""The notebooks of the documentation: executed, and written with what came of it (``make notebooks``)."""

from __future__ import annotations

import hashlib
import os
import sysconfig
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from support.doc_blocks import ROOT

__all__ = ["NOTEBOOKS", "code_cells", "digest_of_code", "execute", "read"]

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))

_SECONDS = 300


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest_of_code(notebook: Any) -> str:
    """Return what changes with any of the code: outputs beside another digest are not of this code."""
    return hashlib.sha256("\0".join(cell.source for cell in code_cells(notebook)).encode()).hexdigest()


def execute(path: Path, *, parameters: str = "") -> Any:
    """Execute a notebook in a process of its own, and return it with its outputs.

    Args:
        path: The notebook; nothing is written.
        parameters: Code in place of the cell with the tag ``parameters``, for a smaller run.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = read(path)
    if parameters:
        (cell,) = [cell for cell in code_cells(notebook) if "parameters" in cell.metadata.get("tags", ())]
        cell.source = parameters
    own = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    client = NotebookClient(notebook, timeout=_SECONDS, coalesce_streams=True, record_timing=False)
    client.execute(
        env=own
        | {
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",  # as in tests, which run beside each other
        }
    )
    return notebook


def main() -> None:
    """Write all notebooks with their outputs."""
    for path in NOTEBOOKS:
        notebook = execute(path)
        notebook.metadata = {
            "kernelspec": notebook.metadata.kernelspec,
            "language_info": {"name": "python"},
            "presage": {"outputs_of": digest_of_code(notebook)},
        }
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
