from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.chaos import __main__ as chaos
from benchmarks.chaos.audit import Audit
from benchmarks.chaos.run import Outcome

FINE = Outcome(
    fault="",
    transport="",
    calls=10,
    ok=10,
    degraded=0,
    rejected=0,
    failed=0,
    p99_ms=None,
    normal_seconds=0.0,
    is_normal=True,
    sent_again=0,
    audit=Audit(acknowledged=5, lost=0, twice=0, differing=0, stale=0),
    answers={},
    counted=None,
    may_lose="",
    problems=(),
)
WORDS = ["--only", "clock", "--transport", "native"]
CLOCKS = 3


@pytest.fixture
def made(monkeypatch):
    """The faults that were made, instead of being made; the first one does not hold."""
    names = []

    async def run_fault(fault, transport, _folder):
        names.append(fault.name)
        return replace(FINE, fault=fault.name, transport=transport, problems=("lost",) if len(names) == 1 else ())

    monkeypatch.setattr(chaos, "run_fault", run_fault)
    return names


def test_every_fault_has_a_name_of_its_own():
    names = [fault.name for fault in chaos.FAULTS]
    assert len(set(names)) == len(names)


def test_what_is_not_as_it_has_to_be_fails_the_run_and_is_made_again_when_resumed(made, tmp_path, capsys):
    words = [*WORDS, "--to", str(tmp_path / "figures.json")]
    assert chaos.main(words) == 1
    assert len(made) == CLOCKS
    assert "NOT AS IT HAS TO BE: lost" in capsys.readouterr().out
    assert chaos.main([*words, "--resume"]) == 0
    assert made[CLOCKS:] == made[:1]
    assert chaos.main(words) == 0
    assert len(made) == 2 * CLOCKS + 1


def test_a_name_that_no_fault_has_is_an_error(made):
    assert chaos.main(["--only", "no such fault"]) == 2
    assert made == []
