from __future__ import annotations

import pytest

from presage_console.settings import ConsoleSettings
from presage_server.cli.variables import CONSOLE_PREFIX, check_variables
from presage_server.errors import SettingsError
from presage_server.settings import REMOVED_SETTINGS, Settings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"port": 70_000}, "port: expected 0 to 65535"),
        ({"host": "0.0.0.0"}, "host: expected a loopback address, or tls_cert and tls_key, or insecure, got '0.0.0.0'"),
        ({"host": "0.0.0.0", "insecure": True}, "allowed_hosts: expected the names that browsers use"),
        ({"tls_cert": "x"}, "tls_key: expected a file beside tls_cert"),
        ({"server_tls_key": "x"}, "server_tls_key: expected a file beside server_tls_cert"),
        ({"metrics_url": "127.0.0.1:9090"}, "metrics_url: expected a URL that starts with http:// or https://"),
        ({"metrics_url": "file:///etc/passwd"}, "metrics_url: expected a URL that starts with"),
        ({"archive": "/nowhere/at/all"}, "archive: expected a folder, got '/nowhere/at/all'"),
        ({"server_token_file": "/nowhere/at/all"}, "server_token_file: expected a file"),
        ({"sign_in": "never"}, "sign_in: expected one of auto, changes, everything"),
    ],
)
def test_what_cannot_work_is_named(fields, message):
    with pytest.raises(SettingsError, match=message):
        ConsoleSettings(**fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "localhost"}, False),
        ({"host": "10.0.0.1", "insecure": True}, True),
        ({"host": "10.0.0.1", "insecure": True, "sign_in": "changes"}, False),
        ({"sign_in": "everything"}, True),
    ],
)
def test_reading_needs_a_sign_in_wherever_others_can_reach_the_console(fields, expected):
    assert ConsoleSettings(**fields).reading_needs_sign_in is expected


def test_its_variables_are_checked_by_the_console_and_left_alone_by_the_server():
    with pytest.raises(
        SettingsError, match="PRESAGE_CONSOLE_PROT: no setting has this variable, is PRESAGE_CONSOLE_PORT meant"
    ):
        check_variables({"PRESAGE_CONSOLE_PROT": "1", "PRESAGE_PROT": "1"}, ConsoleSettings, (), CONSOLE_PREFIX)
    check_variables({"PRESAGE_CONSOLE_PROT": "1"}, Settings, REMOVED_SETTINGS)
