"""The table of scopes: every RPC that a server has is in it, so that a new one without a scope fails here."""

from __future__ import annotations

from presage_server.access.methods import METHODS
from presage_server.access.scopes import OpenPart, Scope
from support.tokens import all_methods


def test_every_method_of_the_contract_health_and_reflection_has_a_scope():
    assert METHODS.keys() == all_methods().keys()


def test_what_changes_something_needs_another_scope_than_what_reads():
    by_name = {path.rpartition("/")[2]: need for path, need in METHODS.items()}
    assert {name for name, need in by_name.items() if need is Scope.TRACK} == {"TrackEvent", "TrackEvents"}
    assert {name for name, need in by_name.items() if need is Scope.ADMIN} == {
        "GetModel",
        "ListModels",
        "SetAliases",
        "UpsertItems",
    }
    assert {name for name, need in by_name.items() if isinstance(need, OpenPart)} == {
        "Check",
        "List",
        "ServerReflectionInfo",
        "Watch",
    }
