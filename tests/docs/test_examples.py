"""The examples of all pages run, each page's in their order: Python against a real server, shell commands in a folder with logs.

A command that no test can run is in ``NOT_RUN``, with the reason and what is checked instead.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from support.doc_blocks import PAGES, ROOT, Block, blocks_of, commands_in, name_of
from support.doc_checks import check_deploy, check_make, check_pip, check_presage, check_streams
from support.doc_logs import write_logs
from support.doc_terminal import Terminal, terminal

NOT_RUN = {
    # beginning of the command: (why it is not run, what is checked)
    "make ": ("takes minutes, and `make test` is this very run", check_make),
    "pip install ": ("changes the environment; `make new-user` installs the wheel in one of its own", check_pip),
    "presage demo ": ("takes half a minute; `make clean-machine` runs it from the wheel", check_presage),
    "docker ": ("needs a Docker daemon", check_deploy),
    "install ": ("writes to the system's folders", check_deploy),
    "systemctl ": ("needs systemd", check_deploy),
    "kubectl ": ("needs a cluster", check_deploy),
    "presage models pull ": ("needs an MLflow server; `make mlflow-proof` starts one", check_presage),
    "presage items follow ": ("works until it is stopped, as tests of its own do", check_presage),
    "presage learn archive ": ("works until it is stopped, as tests of its own do", check_presage),
    "presage serve --redis-url redis+": ("needs a cluster or Sentinels, as tests of its own have", check_presage),
    "presage console ": ("serves until it is stopped, as tests of its own do", check_presage),
    "presage drift ": ("compares hours of a shop's traffic, as tests of its own do", check_presage),
    "presage models outcomes ": (
        "needs scores of open sessions and what came of them, as its tests have",
        check_presage,
    ),
    "for k in $(seq 0 1023); do redis-cli ": ("redis-cli does not come with Presage", check_streams),
}
SHOWN = {"text", "sql", "promql"}
"""Languages of blocks that are only to be read."""

IN_PROSE = re.compile(r"`((?:presage|make) [a-z][a-z-]*(?: [^`]*)?)`")
OUTPUT_OF_PRESAGE = re.compile(r"presage [a-z]+:")
A_COMMAND = re.compile(r"(\$ |(presage|python3?|pip|make|curl|docker|kubectl) [^:]*$)")

TAKE_LONG = {
    "docs/how-to/add-your-own-features.md",
    "docs/how-to/archive-events.md",
    "docs/how-to/backfill.md",
    "docs/how-to/forget-a-visitor.md",
    "docs/how-to/release-a-model.md",
    "docs/how-to/sign-models.md",
    "docs/how-to/train-a-ranking-model.md",
    "docs/how-to/train-on-your-log.md",
    "docs/tutorial.md",
}
"""Pages that take a quarter of a minute and more; ``make new-user`` goes the main way of two of them."""

SHOWS_OUTPUT = {"docs/tutorial.md"}
"""Pages whose blocks of text are lines that the block before them printed; what Python prints has other numbers at another hour."""

of_pages = pytest.mark.parametrize("page", PAGES, ids=name_of)
pages_with_examples = [
    pytest.param(page, marks=pytest.mark.slow) if name_of(page) in TAKE_LONG else page
    for page in PAGES
    if {"python", "sh"} & {block.language for block in blocks_of(page)}
]


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Path:
    """A folder with the files that the pages name."""
    folder = tmp_path_factory.mktemp("logs")
    write_logs(folder)
    return folder


@pytest.fixture
def reader(logs, tmp_path, short_directory, monkeypatch) -> Iterator[Terminal]:
    """A terminal in a folder of its own with those files."""
    folder = shutil.copytree(logs, tmp_path / "here")
    monkeypatch.chdir(folder)
    with terminal(folder, short_directory) as opened:
        yield opened


def run_or_check(command: str, reader: Terminal) -> str:
    for beginning, (_, check) in NOT_RUN.items():
        if command.startswith(beginning):
            check(command)
            return ""
    return reader.run(command)


def missing_lines(shown: str, printed: str, *, numbers: bool) -> list[str]:
    """Return the lines that were not printed; spaces do not count, and numbers only if they have to be equal."""
    if not numbers:
        shown, printed = (re.sub(r"\d+(\.\d+)?", "0", text) for text in (shown, printed))
    seen = " ".join(printed.split())
    return [line for line in shown.splitlines() if " ".join(line.split()) not in seen]


@pytest.mark.timeout(900)  # some train every kind of model, on a machine that may be busy
@pytest.mark.parametrize("page", pages_with_examples, ids=name_of)
def test_examples_run(page: Path, reader: Terminal) -> None:
    names: dict[str, object] = {}
    blocks = blocks_of(page)
    for written in re.findall(r"--to (\S+)", " ".join(block.text for block in blocks if block.language == "sh")):
        Path(written).unlink(missing_ok=True)  # the page makes it
    printed, by_python = "", False
    for block in blocks:
        if block.language == "python":
            code = block.text.replace("localhost:50051", reader.address)
            with redirect_stdout(StringIO()) as output:
                exec(compile(code, block.place, "exec"), names)
            printed, by_python = output.getvalue(), True
        if block.language == "sh":
            printed, by_python = "".join(run_or_check(command, reader) for command in commands_in(block)), False
        if block.language == "text" and name_of(page) in SHOWS_OUTPUT:
            assert missing_lines(block.text, printed, numbers=not by_python) == [], (block.place, printed)


@of_pages
def test_every_block_has_a_language_that_is_run_or_parsed_or_only_shown(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            [json.loads(line) for line in block.text.splitlines()]
        else:
            assert block.language in {"python", "sh", *SHOWN}, block.place


@of_pages
def test_no_block_that_is_only_shown_has_a_command(page: Path) -> None:
    lines = [line for block in blocks_of(page) if block.language in SHOWN for line in block.text.splitlines()]

    assert [line for line in lines if A_COMMAND.match(line)] == []


@pytest.mark.parametrize("line", ["$ ls", "presage serve &", "python3 -m venv .venv", "docker run presage"])
def test_a_command_in_a_block_that_is_only_shown_is_found(line: str) -> None:
    assert A_COMMAND.match(line)


@pytest.mark.parametrize("beginning", NOT_RUN)
def test_every_exception_is_needed(beginning: str) -> None:
    blocks = [block for page in PAGES for block in blocks_of(page) if block.language == "sh"]

    assert any(command.startswith(beginning) for block in blocks for command in commands_in(block))


@of_pages
def test_commands_in_the_text_exist(page: Path) -> None:
    for command in IN_PROSE.findall(page.read_text()):
        if not OUTPUT_OF_PRESAGE.match(command):
            (check_make if command.startswith("make ") else check_presage)(command)


def test_the_readme_has_an_example_for_the_client_and_one_for_the_stubs() -> None:
    text = (ROOT / "README.md").read_text()

    assert "from presage_client import" in text
    assert "scoring_service_pb2_grpc.ScoringServiceStub" in text


@pytest.mark.parametrize(
    ("check", "command"),
    [
        (check_make, "make nothing"),
        (check_make, "make ARGS=1 test nothing"),
        (check_pip, "pip install presage"),
        (check_pip, "pip install '.[trains]'"),
        (check_presage, "presage nothing"),
        (check_presage, "presage train --nothing"),
        (check_presage, "presage models list --nothing"),
        (check_presage, "presage models nothing"),
        (check_deploy, "kubectl apply -k deploy/nothing"),
        (check_deploy, "systemctl enable nothing.service"),
        (check_streams, 'for k in $(seq 1 1023); do redis-cli XGROUP DESTROY "{p$k}:events" archive-1; done'),
        (check_streams, 'for k in $(seq 0 1023); do redis-cli XGROUP DESTROY "p$k:events" archive-1; done'),
    ],
)
def test_a_wrong_command_fails_its_check(check, command: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check(command)


def test_a_command_that_fails_or_stays_in_the_background_fails(reader: Terminal) -> None:
    with pytest.raises(AssertionError, match="No such option: --nothing"):
        run_or_check("presage train --nothing", reader)
    with pytest.raises(ValueError, match="in the background"):
        run_or_check("sleep 100 &", reader)


def test_a_line_that_was_not_printed_is_found() -> None:
    assert missing_lines("3 of  4 rows\n", "all: 3 of 4\nrows", numbers=True) == []
    assert missing_lines("3 of 4 rows\n", "3 of 5 rows", numbers=True) == ["3 of 4 rows"]
    assert missing_lines("from 0.12 to 0.3\n", "from 0.5 to 1", numbers=False) == []
    assert missing_lines("from 0.12 to 0.3\n", "0.12, 0.3", numbers=False) == ["from 0 to 0"]


def test_a_block_without_a_language_or_an_end_is_an_error(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("support.doc_blocks.ROOT", tmp_path)
    page = tmp_path / "page.md"
    for text, message in (("text\n\n    make test\n", "not indented"), ("```sh\nmake test\n", "without its end")):
        page.write_text(text)
        with pytest.raises(ValueError, match=message):
            blocks_of(page)


def test_commands_may_have_several_lines() -> None:
    lines = "# first\npresage train log \\\n    --to run  # why\n\nfor k in 1 2; do\n  echo $k\ndone\nmake test\n"

    assert commands_in(Block("page:1", "sh", lines)) == [
        "presage train log \\\n    --to run  # why",
        "for k in 1 2; do\n  echo $k\ndone",
        "make test",
    ]
    with pytest.raises(ValueError, match="no complete command"):
        commands_in(Block("page:1", "sh", "for k in 1 2; do\n"))
