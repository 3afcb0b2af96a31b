from __future__ import annotations

import builtins
import sys
import types

import pytest

from presage_client import _command_line


def module_that_needs(name):
    """Make an importer of ``presage_server.cli.command_line`` that fails as if ``name`` were not installed."""

    def import_module(wanted):
        assert wanted == "presage_server.cli.command_line"
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    return import_module


def test_the_client_alone_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(_command_line, "import_module", module_that_needs("typer"))
    assert _command_line.main() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        captured.err
        == "presage: the command line needs pip install 'presage-scoring[server]' (No module named 'typer')\n"
    )


def test_a_missing_module_of_ours_is_not_taken_for_a_missing_extra(monkeypatch):
    monkeypatch.setattr(_command_line, "import_module", module_that_needs("presage_server.settings"))
    with pytest.raises(ModuleNotFoundError, match=r"presage_server\.settings"):
        _command_line.main()


def test_with_the_server_installed_its_command_line_runs(monkeypatch):
    runs = []
    command_line = types.ModuleType("presage_server.cli.command_line")
    command_line.main = lambda: runs.append("run")
    monkeypatch.setitem(sys.modules, "presage_server.cli.command_line", command_line)
    assert _command_line.main() == 0
    assert runs == ["run"]


def test_the_server_is_not_imported_with_the_client(monkeypatch):
    imported = []
    real_import = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest, **named: imported.append(name) or real_import(name, *rest, **named)
    )
    monkeypatch.delitem(sys.modules, "presage_client._command_line")
    real_import("presage_client._command_line")
    assert imported
    assert not [name for name in imported if name.startswith("presage_server")]
