"""Settings: each is checked, and each has a flag and a variable of its name."""

from __future__ import annotations

import ast
import dataclasses
import inspect

import pytest
import typer

from presage_server import settings
from presage_server.cli import serve as commands
from presage_server.errors import SettingsError
from presage_server.settings import Settings

BAD = [
    ("host", ""),
    ("port", -1),
    ("port", 65_536),
    ("redis_url", "http://localhost"),
    ("state_ttl_days", 0.0),
    ("state_ttl_days", float("nan")),
    ("state_ttl_days", 3_651.0),
    ("stream_max_events", -1),
    ("stream_max_events", 10**9 + 1),
    ("max_in_flight", 0),
    ("timeout_ms", 0),
    ("timeout_ms", 600_001),
    ("max_message_bytes", 1_023),
    ("max_message_bytes", 2**31),
    ("drain_delay_seconds", -0.1),
    ("drain_delay_seconds", 3_600.1),
    ("drain_delay_seconds", float("nan")),
    ("drain_seconds", -0.1),
    ("drain_seconds", 3_600.1),
    ("drain_seconds", float("inf")),
    ("sample_vectors_share", -0.1),
    ("sample_vectors_share", 1.1),
    ("sample_vectors_share", float("nan")),
    ("metrics_port", -2),
    ("metrics_port", 65_536),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_value_that_cannot_work_is_refused_by_name(field, value):
    with pytest.raises(SettingsError, match=f"^{field}: expected "):
        Settings(**{field: value})


@pytest.mark.parametrize(
    "bounds",
    [
        {"stream_max_events": 0, "max_in_flight": 1, "timeout_ms": 1, "max_message_bytes": 1_024, "drain_seconds": 0.0},
        {"stream_max_events": 10**9, "timeout_ms": 600_000, "max_message_bytes": 2**31 - 1, "drain_seconds": 3_600.0},
        {"port": 65_535, "metrics_port": 65_535, "state_ttl_days": 3_650.0, "drain_delay_seconds": 3_600.0},
    ],
    ids=["least", "most", "most, too"],
)
def test_a_value_at_its_bound_is_taken(bounds):
    taken = Settings(**bounds)
    assert bounds == {name: getattr(taken, name) for name in bounds}


def test_a_url_with_a_password_is_not_shown():
    with pytest.raises(SettingsError) as refused:
        Settings(redis_url="http://:secret@localhost")
    assert "secret" not in str(refused.value)


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1


def test_every_setting_has_a_flag_and_a_variable_of_its_name():
    (parameters,) = [
        {parameter.name: parameter for parameter in command.params} for command in [typer.main.get_command(_app())]
    ]
    for field in dataclasses.fields(Settings):
        parameter = parameters[field.name]
        assert f"--{field.name.replace('_', '-')}" in parameter.opts
        assert parameter.envvar == f"PRESAGE_{field.name.upper()}"
        assert parameter.help
        assert parameter.default == getattr(Settings(), field.name)
    assert set(parameters) == {field.name for field in dataclasses.fields(Settings)}


def _app() -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command()(commands.serve)
    return app


def test_every_setting_is_documented():
    (definition,) = [
        node
        for node in ast.parse(inspect.getsource(settings)).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    undocumented = [
        node.target.id
        for node, following in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(node, ast.AnnAssign)
        and not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant))
    ]
    assert undocumented == []
