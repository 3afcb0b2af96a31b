"""The tree of errors, as its module draws it."""

from __future__ import annotations

import re

import pytest

from presage_server import errors


def all_errors() -> list[type[errors.ServerError]]:
    return [getattr(errors, name) for name in errors.__all__]


def test_the_drawing_is_the_tree():
    drawn = re.findall(r"^[│├└─ ]*(\w+Error)\b", errors.__doc__, flags=re.MULTILINE)
    assert sorted(drawn) == sorted(errors.__all__)
    assert all(issubclass(error, errors.ServerError) for error in all_errors())


@pytest.mark.parametrize(
    "error", [error for error in all_errors() if issubclass(error, errors.RpcError) and error is not errors.RpcError]
)
def test_an_error_of_a_call_has_a_status_which_the_drawing_names_and_shares_it_with_none_but_the_full_store(error):
    assert re.search(rf"{error.__name__} +{error.code.name}:", errors.__doc__)
    sharing = {other for other in errors.RpcError.__subclasses__() if other.code == error.code}
    no_room = {errors.StoreFullError, errors.OverloadedError}
    assert sharing == (no_room if error in no_room else {error})


def test_the_field_at_fault_stands_before_the_text():
    error = errors.InvalidRequestError("expected more", field="user_id")
    assert (str(error), error.field, error.description) == ("user_id: expected more", "user_id", "expected more")
    assert str(errors.StoreFullError("full")) == "full"
