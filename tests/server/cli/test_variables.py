from __future__ import annotations

from importlib.metadata import entry_points

import pytest
import typer

from presage_server.cli.variables import VARIABLES_OF_OTHER_COMMANDS, check_variables
from presage_server.errors import SettingsError
from presage_server.setting_fields import setting_fields, variable_of
from presage_server.settings import REMOVED_SETTINGS, Settings

SERVICE_LINKS = {  # what Kubernetes sets in every pod beside services named presage and presage-metrics
    "PRESAGE_SERVICE_HOST": "10.0.0.11",
    "PRESAGE_SERVICE_PORT": "50051",
    "PRESAGE_SERVICE_PORT_GRPC": "50051",
    "PRESAGE_PORT_50051_TCP": "tcp://10.0.0.11:50051",
    "PRESAGE_PORT_50051_TCP_PROTO": "tcp",
    "PRESAGE_PORT_50051_TCP_PORT": "50051",
    "PRESAGE_PORT_50051_TCP_ADDR": "10.0.0.11",
    "PRESAGE_METRICS_SERVICE_HOST": "10.0.0.12",
    "PRESAGE_SHOP_PORT": "tcp://10.0.0.13:80",
}


def check(environment):
    check_variables(environment, Settings, REMOVED_SETTINGS)


def test_variables_of_settings_of_other_commands_and_of_others_are_accepted():
    settings = {variable_of(declared.name) for declared in setting_fields(Settings)}
    removed = {variable_of(name) for name in REMOVED_SETTINGS}
    check(dict.fromkeys([*settings, *removed, *VARIABLES_OF_OTHER_COMMANDS, "PRESAGER", "PATH", "MY_PRESAGE_PROT"], ""))


def test_what_kubernetes_sets_is_accepted():
    check(SERVICE_LINKS)
    with pytest.raises(
        SettingsError, match="PRESAGE_METRIC_PORT: no setting has this variable, is PRESAGE_METRICS_PORT"
    ):
        check(SERVICE_LINKS | {"PRESAGE_METRIC_PORT": "9090"})


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("PRESAGE_REDIS_UR", "is PRESAGE_REDIS_URL meant?"),
        ("PRESAGE_TIMEOUT", "is PRESAGE_TIMEOUT_MS meant?"),
        ("PRESAGE_STORE_TIMOUT_MS", "is PRESAGE_STORE_TIMEOUT_MS meant?"),
        ("PRESAGE_Port", "is PRESAGE_PORT meant?"),
        ("PRESAGE_TARGETS", "is PRESAGE_TARGET meant?"),
        ("PRESAGE_ZZZ", "delete it (presage serve --help lists all settings)"),
        ("PRESAGE_", "delete it (presage serve --help lists all settings)"),
    ],
)
def test_an_unknown_variable_is_rejected_with_the_nearest_one_and_without_its_value(name, advice):
    with pytest.raises(SettingsError) as rejected:
        check({name: "secret"})
    assert str(rejected.value) == f"{name}: no setting has this variable, {advice}"


def test_all_unknown_variables_are_named_at_once():
    with pytest.raises(SettingsError) as rejected:
        check({"PRESAGE_ZZZ": "1", "PRESAGE_HOTS": "2"})
    assert [part.partition(":")[0] for part in str(rejected.value).split("; ")] == ["PRESAGE_HOTS", "PRESAGE_ZZZ"]


def test_every_variable_that_a_command_reads_is_known():
    read = set()
    for entry in entry_points(group="presage.commands"):
        command = entry.load()
        if not isinstance(command, typer.Typer):
            app = typer.Typer(add_completion=False)
            app.command()(command)
            command = app
        found = typer.main.get_command(command)
        for one in (found, *getattr(found, "commands", {}).values()):
            for parameter in one.params:
                read |= {parameter.envvar} if isinstance(parameter.envvar, str) else set(parameter.envvar or ())
    assert read >= VARIABLES_OF_OTHER_COMMANDS
    check(dict.fromkeys(read, ""))
