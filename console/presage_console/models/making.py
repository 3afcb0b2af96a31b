"""Makes a change that an operator has confirmed, unless the aliases were changed since."""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import quote, urlencode

from grpc import StatusCode
from starlette.requests import Request

from presage_client import AccessDeniedError, PresageError, UnavailableError
from presage_console.console import Console
from presage_console.errors import RequestError
from presage_console.models.aliases import from_registry, to_registry
from presage_console.models.changing import ChangeError, Wanted, decide, read_wanted
from presage_console.models.reading import find_model
from presage_console.security.changes import Change

__all__ = ["change_address", "make_change", "model_address"]

_SALT_BYTES: Final = 8
_MOST_REASON_BYTES: Final = 1_024
_TIMEOUT_MS: Final = 60_000
"""The server verifies versions that are new among the aliases before it answers."""


async def make_change(request: Request, change: Change) -> str:
    """Make a change, and return the page that shows what came of it.

    Where the aliases were changed since the operator looked, nothing is changed: that page is the confirmation again, with what was
    changed meanwhile.

    Raises:
        RequestError: The form is not valid, or the server rejected the change; the text says why.
        PresageError: The server cannot be asked.
    """
    console: Console = request.app.state.console
    name = request.path_params["name"]
    reason = change.form.get("reason", "").strip()
    if len(reason.encode()) > _MOST_REASON_BYTES:
        raise RequestError(f"reason: expected at most {_MOST_REASON_BYTES:,} bytes, got {len(reason.encode()):,}")
    seen = change.form.get("revision", "")
    try:
        wanted = read_wanted(change.form)
        async with console.server.with_token(change.token) as client:
            model = await find_model(client, name)
            if str(model.aliases.revision) != seen:
                return change_address(name, wanted, seen)
            details = await client.get_model(name)
            after = decide(wanted, model, details.changes, new_salt=secrets.token_hex(_SALT_BYTES))
            if after == to_registry(model.aliases):
                return model_address(name)
            changed = await client.set_aliases(
                from_registry(after), changed_by=change.name, reason=reason, model=name, timeout_ms=_TIMEOUT_MS
            )
    except ChangeError as error:
        raise RequestError(str(error)) from error
    except AccessDeniedError as error:
        raise RequestError(
            f"The server does not allow this change, and it was not made: {error.message}. Start the server with "
            "--allow-set-aliases, or make the change on its machine, with presage models.",
            403,
        ) from error
    except UnavailableError as error:
        if error.code is StatusCode.ABORTED:
            return change_address(name, wanted, seen)
        raise _rejected(error) from error
    return f"{model_address(name)}?changed={changed.revision}"


def change_address(name: str, wanted: Wanted, seen_revision: str) -> str:
    """Return the address of the confirmation of a change.

    Args:
        name: The model's name.
        wanted: What is asked for.
        seen_revision: The revision that the operator has looked at.
    """
    fields = {
        "action": wanted.action.value,
        "version": wanted.version,
        "percent": wanted.percent,
        "seen": seen_revision,
    }
    return f"{model_address(name)}/change?{urlencode({key: value for key, value in fields.items() if value})}"


def model_address(name: str) -> str:
    """Return the address of a model's page."""
    return f"/models/{quote(name, safe='')}"


def _rejected(error: UnavailableError) -> PresageError | RequestError:
    if error.code is StatusCode.FAILED_PRECONDITION:
        return RequestError(f"The server rejected the change, and nothing was changed: {error.message}", 409)
    return error
