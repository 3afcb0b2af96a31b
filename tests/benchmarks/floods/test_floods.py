"""The floods are sent, what they do is counted, and the page is written."""

from __future__ import annotations

import pytest

from benchmarks.floods import __main__ as command
from benchmarks.floods.kinds import FLOODS
from benchmarks.floods.victim import Calls

CALM = Calls(answered=100, failed=0, median_ms=1.0, slowest_ms=2.0)


def found(during: Calls, *, more_bytes: int = 0, recovery_seconds: float = 0.0, alive: bool = True) -> command.Found:
    return command.Found(
        before=CALM, during=during, recovery_seconds=recovery_seconds, more_bytes=more_bytes, closed=0, alive=alive
    )


@pytest.mark.parametrize(
    ("one", "cell"),
    [
        (found(CALM), "1.0 → 1.0, at most 2 ms"),
        (
            found(Calls(answered=9, failed=3, median_ms=20.0, slowest_ms=1_000.0), more_bytes=50_000_000),
            "1.0 → 20.0, at most 1,000 ms, **3 of 12 failed**, +50 MB",
        ),
        (
            found(Calls(answered=0, failed=3, median_ms=float("inf"), slowest_ms=1_000.0), recovery_seconds=4.2),
            "**nothing answered**, **3 of 3 failed**, **served again after 4 s**",
        ),
        (
            found(CALM, recovery_seconds=float("inf"), alive=False),
            "1.0 → 1.0, at most 2 ms, **the process ended**, **not served again**",
        ),
    ],
)
def test_a_cell_says_what_happened(one, cell):
    assert command.cell(one) == cell


@pytest.mark.slow
@pytest.mark.parametrize("target", ["grpcio", "native"])
def test_a_flood_is_sent_and_others_are_served_after_it(target, tmp_path, monkeypatch, capsys):
    page = tmp_path / "floods.md"
    page.write_text("# Floods\n\n| flood |\n|---|\n\nAfter it.\n")
    monkeypatch.setattr(command, "_PAGE", page)
    arguments = ["--targets", target, "--floods", "rapid reset", "--seconds", "1", "--page"]
    assert command.main(arguments) == 0
    lines = page.read_text().splitlines()
    assert lines[2:4] == [f"| flood | {target} |", "|---|---|"]
    assert lines[4].startswith(f"| rapid reset: {FLOODS['rapid reset'].means} | ")
    assert lines[4] in capsys.readouterr().out
    assert lines[-1] == "After it."
