"""Environment variables that start with ``PRESAGE_``: one that nothing reads is a typing error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from presage_server.errors import SettingsError
from presage_server.setting_fields import PREFIX, setting_fields, variable_of

__all__ = ["CONSOLE_PREFIX", "VARIABLES_OF_OTHER_COMMANDS", "check_variables"]

VARIABLES_OF_OTHER_COMMANDS: Final = frozenset(
    {"PRESAGE_TARGET", "PRESAGE_TARGET_TLS_CA", "PRESAGE_TARGET_TLS_CERT", "PRESAGE_TARGET_TLS_KEY", "PRESAGE_TOKEN"}
)
"""What ``presage replay`` and others read and ``presage serve`` does not; both may run in one environment."""

CONSOLE_PREFIX: Final = "PRESAGE_CONSOLE_"
"""What the variables of `presage console` start with; it checks them itself."""

_SERVICE_LINK = re.compile(r"\w+_SERVICE_(HOST|PORT(_\w+)?)|\w+_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?", re.ASCII)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def check_variables(
    environment: Mapping[str, str], settings: type[Any], removed: Iterable[str], prefix: str = PREFIX
) -> None:
    """Check that each ``PRESAGE_`` variable belongs to a setting, or to another command.

    Variables that Kubernetes sets for a service whose name starts with "presage" are ignored.

    Args:
        environment: All variables.
        settings: A dataclass whose fields are declared with ``setting``.
        removed: Settings of the last release, which have an error message of their own.
        prefix: What the variables of the settings start with.

    Raises:
        SettingsError: Some do not; the message names each with the nearest known one, and never a value.
    """
    names = [*(declared.name for declared in setting_fields(settings)), *removed]
    known = {variable_of(name, prefix) for name in names}
    if prefix == PREFIX:
        known |= VARIABLES_OF_OTHER_COMMANDS
    unknown = sorted(
        name
        for name, value in environment.items()
        if name.startswith(prefix) and name not in known and not _is_elsewhere(name, value, prefix)
    )
    if unknown:
        raise SettingsError(
            "; ".join(f"{name}: no setting has this variable, {_advice(name, known, prefix)}" for name in unknown)
        )


def _is_elsewhere(name: str, value: str, prefix: str) -> bool:
    """Return whether another process checks the variable, or none has to."""
    return (prefix != CONSOLE_PREFIX and name.startswith(CONSOLE_PREFIX)) or _is_service_link(name, value)


def _is_service_link(name: str, value: str) -> bool:
    """Return whether Kubernetes set the variable: https://kubernetes.io/docs/concepts/containers/container-environment/."""
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_ADDRESS.match(value)))


def _advice(name: str, known: Iterable[str], prefix: str) -> str:
    # Without the prefix, which would make any two alike.
    endings = [variable.removeprefix(prefix) for variable in sorted(known)]
    nearest = get_close_matches(name.removeprefix(prefix).upper(), endings, n=1)
    command = "presage console" if prefix == CONSOLE_PREFIX else "presage serve"
    return f"is {prefix}{nearest[0]} meant?" if nearest else f"delete it ({command} --help lists all settings)"
