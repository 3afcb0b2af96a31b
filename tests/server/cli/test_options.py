"""The options of ``presage serve`` are those that the settings declare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from presage_server.cli.options import checked_token, reject_removed, with_options
from presage_server.cli.serve import serve
from presage_server.errors import SettingsError
from presage_server.setting_fields import setting, setting_fields
from presage_server.settings import REMOVED_SETTINGS, Settings


@dataclass(frozen=True, kw_only=True)
class Example:
    wait_ms: int = setting(5, "How long to wait.", unit="ms", low=1, high=9)
    share: float = setting(0.5, "How much.", low=0, high=1)
    color: str = setting("red", "Which one.", choices=("red", "green"))
    folder: Path = setting(Path("here"), "Where.", shown_default="a folder")  # noqa: RUF009 - it declares a field
    loud: bool = setting(False, "Whether to shout.")


REMOVED = {"old_name": "nobody needs it"}


@pytest.fixture
def given():
    """What the command got at its last run."""
    return {}


@pytest.fixture
def run(given):
    @with_options(Example, REMOVED)
    def command(**values):
        given.clear()
        given.update(values)

    app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    app.command()(command)

    def run(*arguments, **variables):
        environment = {"COLUMNS": "120", "NO_COLOR": "1", "TERMINAL_WIDTH": "120"} | variables
        finished = CliRunner().invoke(app, arguments, env=environment, catch_exceptions=False)
        assert finished.exit_code == 0, finished.output
        return finished.output

    return run


def test_the_defaults(run, given):
    run()
    assert Example(**reject_removed(given, REMOVED)) == Example()


def test_flags_and_variables_have_the_types_of_their_fields(run, given):
    values = {"wait_ms": 7, "share": 0.25, "color": "green", "folder": Path("there"), "loud": True}
    run("--wait-ms", "7", "--share", "0.25", "--color", "green", "--folder", "there", "--loud")
    assert reject_removed(given, REMOVED) == values
    variables = {f"PRESAGE_{name.upper()}": str(value) for name, value in values.items()}
    run(**variables)
    assert reject_removed(given, REMOVED) == values
    run("--wait-ms", "8", "--no-loud", **variables)
    assert (given["wait_ms"], given["loud"]) == (8, False)


def test_the_help_has_meaning_range_choices_and_default(run):
    shown = " ".join(run("--help").replace("│", " ").split())
    assert "--wait-ms <int> How long to wait. Range: 1 to 9 ms. [default: 5]" in shown
    assert "How much. Range: 0 to 1. [default: 0.5]" in shown
    assert "--color red|green Which one. [default: red]" in shown
    assert "Where. [default: (a folder)]" in shown
    assert "--old-name" not in shown


@pytest.mark.parametrize(
    ("arguments", "variables"), [(("--old-name", "4"), {}), ((), {"PRESAGE_OLD_NAME": "4"})], ids=["flag", "variable"]
)
def test_a_removed_setting_is_an_error_with_the_reason(run, given, arguments, variables):
    run(*arguments, **variables)
    with pytest.raises(SettingsError) as rejected:
        reject_removed(given, REMOVED)
    message = "old_name: this setting was removed, delete --old-name or PRESAGE_OLD_NAME: nobody needs it"
    assert str(rejected.value) == message


def test_every_setting_is_an_option_of_serve():
    app = typer.Typer(add_completion=False)
    app.command()(serve)
    parameters = {parameter.name: parameter for parameter in typer.main.get_command(app).params}
    for declared in setting_fields(Settings):
        parameter = parameters[declared.name]
        assert f"--{declared.name.replace('_', '-')}" in parameter.opts
        assert parameter.envvar == f"PRESAGE_{declared.name.upper()}"
        assert parameter.default == declared.default
        assert parameter.help.startswith(declared.meaning)
        assert not parameter.hidden
    assert parameters.keys() == {declared.name for declared in setting_fields(Settings)} | REMOVED_SETTINGS.keys()


@pytest.mark.parametrize("token", ["sec ret", "s\u00e9cret", "sec\tret", "sec\nret"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_repeated(token):
    with pytest.raises(typer.BadParameter, match="one word of printable ASCII") as caught:
        checked_token(token)
    assert "cret" not in str(caught.value)


def test_a_token_may_come_with_the_line_end_of_its_file():
    assert checked_token("secret\n") == "secret"
    assert checked_token("") == ""
