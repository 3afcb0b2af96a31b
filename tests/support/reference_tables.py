"""The tables of the reference pages, generated from the code that they describe; ``make reference`` writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import dropwhile
from math import isinf
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from presage_console.settings import ConsoleSettings
from presage_featurizer import CATALOGUE, CORE
from presage_server.cli.variables import CONSOLE_PREFIX
from presage_server.setting_fields import PREFIX, SettingField, flag_of, setting_fields, variable_of
from presage_server.settings import Settings

REFERENCE: Final = Path(__file__).parents[2] / "docs" / "reference"


def feature_rows() -> list[str]:
    """Return the header, then one row for each feature: those of ``core`` in its order, then the others."""
    rows = ["| feature | meaning | unit | scope | range | default |", "|---|---|---|---|---|---|"]
    for name in dict.fromkeys((*CORE.features, *CATALOGUE)):
        feature = CATALOGUE[name]
        low = "-∞" if isinf(feature.low) else f"{feature.low:g}"
        high = "∞" if isinf(feature.high) else f"{feature.high:g}"
        default = "by the moment" if feature.default is None else f"{feature.default:g}"
        rows.append(
            f"| `{name}` | {feature.meaning} | {feature.unit} | {feature.scope} | {low} to {high} | {default} |"
        )
    return rows


def setting_rows(settings: type[Any] = Settings, prefix: str = PREFIX) -> list[str]:
    """Return the header, then one row for each option of a command, that of ``presage serve`` unless others are named."""
    rows = ["| flag | variable | default | allowed | meaning |", "|---|---|---|---|---|"]
    for setting in setting_fields(settings):
        cells = (
            f"`{flag_of(setting.name)}`",
            f"`{variable_of(setting.name, prefix)}`",
            setting.shown_default or _shown_default(setting),
            f"{setting.allowed} {setting.unit}".strip(),
            setting.meaning,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _shown_default(setting: SettingField) -> str:
    default = setting.default
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


TABLES: Final[Mapping[str, Callable[[], list[str]]]] = MappingProxyType(
    {
        "console.md": lambda: setting_rows(ConsoleSettings, CONSOLE_PREFIX),
        "features.md": feature_rows,
        "settings.md": setting_rows,
    }
)
"""The pages with a generated table."""


def with_table(page: str, rows: list[str]) -> str:
    """Replace the table whose first column has the same header as that of ``rows``."""
    lines = page.splitlines()
    first_header = rows[0][: rows[0].index("|", 1) + 1]
    start = next(number for number, line in enumerate(lines) if line.startswith(first_header))
    after = dropwhile(lambda line: line.startswith("|"), lines[start:])
    return "\n".join([*lines[:start], *rows, *after]) + "\n"


if __name__ == "__main__":
    for name, rows in TABLES.items():
        page = REFERENCE / name
        page.write_text(with_table(page.read_text(), rows()))
