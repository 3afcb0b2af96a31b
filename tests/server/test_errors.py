"""The tree of errors, as its module draws it."""

from __future__ import annotations

import re

import pytest
from grpc import StatusCode

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
def test_the_drawing_names_the_status_of_every_error_of_a_call(error):
    assert re.search(rf"{error.__name__} +{error.code.name}:", errors.__doc__)


def test_only_what_operators_must_end_and_what_others_were_quicker_at_shares_a_status():
    by_code: dict[StatusCode, set[type[errors.RpcError]]] = {}
    for error in errors.RpcError.__subclasses__():
        by_code.setdefault(error.code, set()).add(error)
    assert {code: shared for code, shared in by_code.items() if len(shared) > 1} == {
        StatusCode.FAILED_PRECONDITION: {
            errors.NotExplainedError,
            errors.StoreFullError,
            errors.StateTooNewError,
            errors.VersionRejectedError,
        },
        StatusCode.ABORTED: {errors.ContendedVisitorError, errors.StaleRevisionError},
    }


def test_only_an_overload_is_resource_exhausted():
    """Clients repeat such calls, so nothing that lasts may look like it."""
    exhausted = [error for error in errors.RpcError.__subclasses__() if error.code is StatusCode.RESOURCE_EXHAUSTED]
    assert exhausted == [errors.OverloadedError]


def test_the_field_at_fault_stands_before_the_text():
    error = errors.InvalidRequestError("expected more", field="user_id")
    assert (str(error), error.field, error.description) == ("user_id: expected more", "user_id", "expected more")
    assert str(errors.StoreFullError("full")) == "full"
