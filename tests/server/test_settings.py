"""Settings: each is checked, and each is declared once."""

from __future__ import annotations

import dataclasses

import pytest

from presage_server import settings
from presage_server.errors import SettingsError
from presage_server.setting_fields import setting_fields
from presage_server.settings import REMOVED_SETTINGS, Settings
from presage_server.store.urls import STORE_SCHEMES

FIELDS = setting_fields(Settings)
BOUNDED = [field for field in FIELDS if field.low is not None]
CHOICES = [field for field in FIELDS if field.choices]
BOUNDS = {
    "port": (0, 65_535),
    "io_threads": (1, 64),
    "store_timeout_ms": (10, 60_000),
    "reload_seconds": (0, 3_600),
    "state_ttl_days": (0.001, 3_650),
    "stream_max_events": (0, 10**9),
    "timeout_ms": (1, 600_000),
    "max_message_bytes": (1_024, 2**31 - 1),
    "drain_delay_seconds": (0, 3_600),
    "drain_seconds": (0, 3_600),
    "sample_vectors_share": (0, 1),
    "exposures_share": (0, 1),
    "item_bucket_seconds": (1, 3_600),
    "workers": (1, 256),
    "metrics_port": (-1, 65_535),
    "trace_share": (0, 1),
}


@pytest.fixture(autouse=True)
def _on_linux(monkeypatch):
    monkeypatch.setattr(settings.sys, "platform", "linux")


def test_the_bounds():
    assert {field.name: (field.low, field.high) for field in BOUNDED} == BOUNDS


@pytest.mark.parametrize("field", BOUNDED, ids=lambda field: field.name)
def test_a_number_outside_its_bounds_is_rejected_by_name(field):
    step = 0.0001 if isinstance(field.default, float) else 1
    never = (float("nan"), float("inf"), float("-inf")) if isinstance(field.default, float) else ()
    for value in (field.low - step, field.high + step, *never):
        with pytest.raises(SettingsError) as rejected:
            Settings(**{field.name: value})
        assert str(rejected.value) == f"{field.name}: expected {field.low} to {field.high}, got {value!r}"


@pytest.mark.parametrize("field", BOUNDED, ids=lambda field: field.name)
def test_a_number_at_its_bounds_is_accepted(field):
    for value in (field.low, field.high):
        assert getattr(Settings(**{field.name: value}), field.name) == value


@pytest.mark.parametrize("field", CHOICES, ids=lambda field: field.name)
def test_only_the_choices_are_accepted(field):
    for value in field.choices:
        assert getattr(Settings(**{field.name: value}), field.name) == value
    with pytest.raises(SettingsError) as rejected:
        Settings(**{field.name: "another"})
    assert str(rejected.value) == f"{field.name}: expected one of {', '.join(field.choices)}, got 'another'"


def test_the_choices():
    choices = {field.name: field.choices for field in CHOICES}
    assert choices == {
        "transport": ("auto", "grpcio", "native"),
        "store_fsync": ("everysec", "always"),
        "log_level": ("debug", "info", "warning", "error"),
        "log_format": ("text", "json"),
    }


def test_an_empty_host_is_rejected():
    with pytest.raises(SettingsError, match=r"^host: expected an address or a host name, got ''$"):
        Settings(host="")


def test_a_url_with_a_password_is_not_shown():
    with pytest.raises(SettingsError) as rejected:
        Settings(redis_url="http://:secret@localhost")
    message = f"redis_url: expected one of {', '.join(STORE_SCHEMES)}..., got a URL of another kind"
    assert str(rejected.value) == message


@pytest.mark.parametrize("url", ["localhost:4317", "grpc://:secret@host", "http://"])
def test_a_trace_endpoint_is_a_url_that_is_not_shown(url):
    with pytest.raises(SettingsError) as rejected:
        Settings(trace_endpoint=url)
    assert str(rejected.value) == (
        "trace_endpoint: expected http://HOST:PORT or https://HOST:PORT, got a URL of another kind"
    )
    assert Settings(trace_endpoint="https://collector:4317").trace_endpoint


def test_several_workers_need_linux(monkeypatch):
    monkeypatch.setattr(settings.sys, "platform", "darwin")
    assert Settings(workers=1).workers == 1
    with pytest.raises(SettingsError, match=r"^workers: expected 1, as only Linux distributes connections, got 2$"):
        Settings(workers=2)


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1


def test_every_field_is_declared_with_a_meaning():
    fields = [field.name for field in dataclasses.fields(Settings) if field.name not in REMOVED_SETTINGS]
    assert sorted(fields) == sorted(field.name for field in FIELDS)
    assert FIELDS[0].name == "host", "its own come first, then what it inherits"
    assert [field.name for field in FIELDS if not field.meaning.endswith(".")] == []
