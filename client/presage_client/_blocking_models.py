"""The methods of Client about models."""

from __future__ import annotations

from presage_client import _model_calls
from presage_client._blocking_connection import Connection
from presage_client.models import Aliases, ModelDetails, ModelSummary

__all__ = ["ModelMethods"]


class ModelMethods:
    """Says which models a server serves, and changes which of their versions do."""

    _connection: Connection

    def list_models(self, *, timeout_ms: float | None = 10_000) -> tuple[ModelSummary, ...]:
        """List the models of the server's folder; see AsyncClient.list_models."""
        return self._connection.run(_model_calls.list_models(), timeout_ms)

    def get_model(self, model: str = "", *, version: str = "", timeout_ms: float | None = 10_000) -> ModelDetails:
        """Say all that is known of one version of a model; see AsyncClient.get_model."""
        return self._connection.run(_model_calls.get_model(model, version=version), timeout_ms)

    def set_aliases(
        self, aliases: Aliases, *, changed_by: str, reason: str = "", model: str = "", timeout_ms: float | None = 10_000
    ) -> Aliases:
        """Change which versions of a model serve; see AsyncClient.set_aliases."""
        call = _model_calls.set_aliases(aliases, model=model, changed_by=changed_by, reason=reason)
        return self._connection.run(call, timeout_ms)
