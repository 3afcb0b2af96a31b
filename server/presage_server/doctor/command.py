"""``presage doctor``."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from functools import partial
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from presage_server.cli.options import reject_removed, with_options
from presage_server.cli.variables import check_variables
from presage_server.doctor.check import Check, Checks, Outcome, run_checks
from presage_server.errors import SettingsError
from presage_server.settings import REMOVED_SETTINGS, Settings

__all__ = ["doctor"]

_STYLES = {Outcome.OK: "green", Outcome.WARN: "yellow", Outcome.FAIL: "bold red"}


@with_options(Settings, REMOVED_SETTINGS)
def doctor(*, as_json: bool, **values: Any) -> None:
    """Check whether a server would serve here, and say what to do where it would not.

    Takes the options and the variables of `presage serve`, and looks at what that would use: interpreter, packages, models, store,
    clock, limits, ports and files. It changes nothing. Exit code 0: nothing failed; 1: something did.
    """
    logging.disable(logging.CRITICAL)  # what is found is printed, once
    checks: list[Check] = []
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    for check in run_checks(_named(values)):
        checks.append(check)
        if not as_json:
            console.print(f"{check.outcome.value:<5}", style=_STYLES[check.outcome], end="")
            console.print(f"{check.name}: {check.message}")
            if check.remedy:
                console.print(f"      -> {check.remedy}")
    worst = max((check.outcome for check in checks), key=list(Outcome).index)
    if as_json:
        print(json.dumps({"outcome": worst, "checks": msgspec.to_builtins(checks)}, indent=2))  # noqa: T201 - what the command is for
    sys.exit(worst is Outcome.FAIL)


def _named(values: dict[str, Any]) -> Iterator[tuple[str, Checks]]:
    """List the checks. Those that come later need settings that are valid."""
    # Imported late: what is missing is a finding.
    from presage_server.doctor import machine  # noqa: PLC0415

    yield "python", machine.check_python
    yield "packages", machine.check_packages
    yield "onnxruntime", machine.check_telemetry
    yield "open files", machine.check_files
    yield "clock", machine.check_clock
    try:
        check_variables(os.environ, Settings, REMOVED_SETTINGS)
        settings = Settings(**reject_removed(values, REMOVED_SETTINGS))
    except SettingsError as error:
        failed = Check("settings", Outcome.FAIL, str(error), "presage serve --help lists what is allowed")
        yield "settings", lambda: [failed]
        return
    yield "settings", lambda: [Check("settings", Outcome.OK, "all values are valid")]
    from presage_server.doctor import setup, store  # noqa: PLC0415

    yield "transport", partial(setup.check_transport, settings)
    yield "models", partial(setup.check_models, settings)
    yield "store", partial(store.check_store, settings)
    yield "data folder", partial(setup.check_data_dir, settings)
    yield "port", partial(setup.check_port, settings)
    yield "access", partial(setup.check_access, settings)
    yield "secrets", partial(setup.check_secrets, settings)
    yield "tracing", partial(setup.check_tracing, settings)


_AS_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
doctor.__signature__ = Signature(  # type: ignore[attr-defined]  # where typer reads the options
    [
        Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=_AS_JSON),
        *signature(doctor).parameters.values(),
    ]
)
