"""The command-line options of a settings dataclass: an option and a variable for each field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeVar

import typer

from presage_server.errors import SettingsError
from presage_server.setting_fields import PREFIX, SettingField, flag_of, setting_fields, variable_of

__all__ = ["checked_token", "reject_removed", "with_options"]

_Command = TypeVar("_Command", bound=Callable[..., None])


def with_options(
    settings: type[Any], removed: Mapping[str, str], prefix: str = PREFIX
) -> Callable[[_Command], _Command]:
    """Give a command that takes ``**values`` the options of a settings dataclass.

    Args:
        settings: A dataclass whose fields are declared with ``setting``.
        removed: Settings of the last release. Their options are still read, but hidden; see ``reject_removed``.
        prefix: What the variables of the settings start with.
    """
    parameters = [_parameter(declared, prefix) for declared in setting_fields(settings)]
    parameters += [_removed_parameter(name) for name in removed]

    def decorate(command: _Command) -> _Command:
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # where typer reads the options
        return command

    return decorate


def checked_token(token: str) -> str:
    """Return the token that a command was given, for typer; ends the command if it cannot be sent, without repeating it."""
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise typer.BadParameter("expected one word of printable ASCII")
    return token


def reject_removed(values: dict[str, Any], removed: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a command's options without those of removed settings.

    Raises:
        SettingsError: A removed setting is still given; the message has the reason for its removal.
    """
    for name, reason in removed.items():
        if values[name] is not None:
            raise SettingsError(
                f"{name}: this setting was removed, delete {flag_of(name)} or {variable_of(name)}: {reason}"
            )
    return {name: value for name, value in values.items() if name not in removed}


def _parameter(declared: SettingField, prefix: str) -> Parameter:
    option = typer.Option(
        envvar=variable_of(declared.name, prefix),
        show_envvar=False,
        help=_help(declared),
        metavar="|".join(declared.choices) or None,
        show_default=declared.shown_default or True,
    )
    kind = type(declared.default)
    return Parameter(
        declared.name, Parameter.KEYWORD_ONLY, default=declared.default, annotation=Annotated[kind, option]
    )


def _removed_parameter(name: str) -> Parameter:
    option = typer.Option(envvar=variable_of(name), hidden=True)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option])


def _help(declared: SettingField) -> str:
    if declared.low is None:
        return declared.meaning
    return f"{declared.meaning} Range: {f'{declared.allowed} {declared.unit}'.rstrip()}."
