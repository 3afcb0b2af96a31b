"""What a check finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

import msgspec

from presage_server.logs import redacted

__all__ = ["Check", "Checks", "Outcome", "run_checks"]


class Outcome(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(msgspec.Struct, frozen=True):
    """The result of one check."""

    name: str
    outcome: Outcome
    message: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty if all is well."""


Checks = Callable[[], Iterable[Check]]
"""Checks something; an error that it raises is a failed check, too."""


def run_checks(named: Iterable[tuple[str, Checks]]) -> Iterator[Check]:
    """Run all checks, one after the other; secrets are removed from their results."""
    for name, checks in named:
        try:
            for check in checks():
                yield msgspec.structs.replace(check, message=redacted(check.message), remedy=redacted(check.remedy))
        except Exception as error:  # noqa: BLE001 - a check that cannot be made is a finding, and not the end of the others
            text = redacted(f"the check could not be made: {type(error).__name__}: {error}")
            yield Check(name, Outcome.FAIL, text, "report this as a defect, with the output of presage doctor --json")
