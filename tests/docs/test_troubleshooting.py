"""Every message that the page of troubleshooting explains is one that code or a library says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from support.code_messages import is_message
from support.doc_blocks import ROOT

PAGE = ROOT / "docs" / "how-to" / "troubleshoot.md"
OF_LIBRARIES = {"out-of-tree gRPC services: …"}
"""What is in a library's binary; the page says so."""


def explained() -> Iterator[str]:
    """Read the first column of the page's tables."""
    for line in PAGE.read_text().splitlines():
        if found := re.match(r"\| `(.+?)` \|", line):
            yield found[1]


@pytest.mark.parametrize("message", sorted(set(explained()) - OF_LIBRARIES))
def test_the_message_is_in_the_code(message: str) -> None:
    assert is_message(message)


def test_no_message_is_explained_twice_and_all_rows_are_looked_at() -> None:
    messages = list(explained())
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(messages) == len(set(messages)) == len(rows) > 40
    assert set(messages) >= OF_LIBRARIES


@pytest.mark.parametrize(
    "message", ["port: cannot listen on …; is it free?", "no message of ours", "the store does not answer … again"]
)
def test_a_message_that_is_not_in_the_code_is_found(message: str) -> None:
    assert not is_message(message)
