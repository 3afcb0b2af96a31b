"""The code blocks of the documentation's pages, and the commands in those of a shell."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences."""

    place: str
    """PAGE:LINE of the first fence."""
    language: str
    """The word after the first fence."""
    text: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(page: Path) -> list[Block]:
    """Return a page's blocks in their order.

    Raises:
        ValueError: A fence is not closed, or a block is indented: those have no language.
    """
    blocks: list[Block] = []
    opened: tuple[int, str] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is not None and line == "```":
            blocks.append(Block(f"{name_of(page)}:{opened[0]}", opened[1], "".join(lines)))
            opened = None
        elif opened is not None:
            lines.append(f"{line}\n")
        elif fence:
            opened, lines = (number, fence[1]), []
        elif line.startswith(("    ", "\t", "~~~", "```")) or line.lstrip().startswith("```"):
            raise ValueError(f"{name_of(page)}:{number}: expected code between ``` and ```, not indented: {line!r}")
    if opened is not None:
        raise ValueError(f"{name_of(page)}:{opened[0]}: ``` without its end")
    return blocks


def commands_in(block: Block) -> list[str]:
    """Return the commands of a shell block, each with its further lines.

    Raises:
        ValueError: The last command is not complete.
    """
    commands: list[str] = []
    command = ""
    for line in block.text.splitlines():
        command += f"{line}\n"
        if not line.endswith("\\") and is_shell(command):
            commands.append(command.strip())
            command = ""
    if command.strip():
        raise ValueError(f"{block.place}: no complete command: {command!r}")
    return [command for command in commands if command and not command.startswith("#")]


def is_shell(command: str) -> bool:
    """Return whether a shell can parse it."""
    return subprocess.run(["sh", "-n", "-c", command], capture_output=True, check=False).returncode == 0
