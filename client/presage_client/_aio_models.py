"""The methods of AsyncClient about models."""

from __future__ import annotations

from presage_client import _model_calls
from presage_client._aio_connection import AsyncConnection
from presage_client.models import Aliases, ModelDetails, ModelSummary

__all__ = ["AsyncModelMethods"]


class AsyncModelMethods:
    """Says which models a server serves, and changes which of their versions do. Files are read for it, so it may take longer."""

    _connection: AsyncConnection

    async def list_models(self, *, timeout_ms: float | None = 10_000) -> tuple[ModelSummary, ...]:
        """List the models of the server's folder: their versions, and which of them serve."""
        return await self._connection.run(_model_calls.list_models(), timeout_ms)

    async def get_model(self, model: str = "", *, version: str = "", timeout_ms: float | None = 10_000) -> ModelDetails:
        """Say all that is known of one version of a model: how much its features matter, its metrics, what it was trained on.

        ``model`` is the model (empty: the server's default), ``version`` the version (empty: the champion).
        """
        return await self._connection.run(_model_calls.get_model(model, version=version), timeout_ms)

    async def set_aliases(
        self, aliases: Aliases, *, changed_by: str, reason: str = "", model: str = "", timeout_ms: float | None = 10_000
    ) -> Aliases:
        """Change which versions of a model serve; return the aliases with their new revision.

        ``aliases`` are all of them as they are to be; ``changed_by`` and ``reason`` go into the history. The server verifies
        versions that are new among them.
        The call is never repeated. It raises an AccessDeniedError unless the server was started to allow it; an UnavailableError
        with the code ABORTED if they were changed since they were read, with FAILED_PRECONDITION if a version cannot be served.
        """
        call = _model_calls.set_aliases(aliases, model=model, changed_by=changed_by, reason=reason)
        return await self._connection.run(call, timeout_ms)
