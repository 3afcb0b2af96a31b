"""The notebooks run, small in every run of the tests; what is committed in them is what their code prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.doc_blocks import ROOT, name_of
from support.doc_checks import check_pip, check_presage
from support.notebooks import NOTEBOOKS, code_cells, digest_of_code, execute, read

SMALL = {"docs/notebooks/train-compare-explain-ship.ipynb": "VISITORS, DAYS, DRAWS = 400, 8, 100"}

of_notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)


def kinds_of_outputs(cell) -> set[str]:
    return {kind for output in cell.outputs for kind in output.get("data", {output.output_type: ""})}


def printed(notebook) -> list[str]:
    return [output.text for cell in code_cells(notebook) for output in cell.outputs if output.output_type == "stream"]


def test_there_are_notebooks() -> None:
    assert {name_of(path) for path in NOTEBOOKS} == set(SMALL)


@of_notebooks
def test_it_runs(path: Path) -> None:
    executed = execute(path, parameters=SMALL[name_of(path)])
    for cell, committed in zip(code_cells(executed), code_cells(read(path)), strict=True):
        assert kinds_of_outputs(cell) == kinds_of_outputs(committed), cell.source
    assert "each equal to the notebook's" in "".join(printed(executed))


@pytest.mark.slow
@of_notebooks
def test_what_is_printed_is_what_is_committed(path: Path) -> None:
    assert printed(execute(path)) == printed(read(path))


@of_notebooks
def test_what_is_committed_is_of_this_code(path: Path) -> None:
    notebook = read(path)
    assert notebook.metadata.presage.outputs_of == digest_of_code(notebook), "make notebooks, and commit"
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert {output.output_type for cell in cells for output in cell.outputs} <= {"stream", "display_data"}
    assert not re.search(r"/tmp|/home|/root|/work|\x1b", "".join(printed(notebook)))


@of_notebooks
def test_links_lead_somewhere_and_commands_exist(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (path.parent / link).exists(), link
    commands = re.findall(r"`((?:presage|pip) [a-z][a-z-]*(?: [^`]*)?)`", text)
    assert commands
    for command in commands:
        (check_pip if command.startswith("pip ") else check_presage)(command)


@of_notebooks
def test_a_page_names_it(path: Path) -> None:
    assert path.name in (ROOT / "docs" / "how-to" / "train-on-your-log.md").read_text()
