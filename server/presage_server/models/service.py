"""``ModelService``: which models there are, all that is known of one, and changes of which version serves which visitors.

Served by grpc.aio, beside the calls that need to be fast; files are read by a thread. Explain is a part of its own.
"""

from __future__ import annotations

import asyncio

import grpc

from presage.v1 import model_service_pb2 as pb
from presage_server.errors import NotPermittedError
from presage_server.models.reporting import Reporter
from presage_server.models.setting_aliases import AliasSetter
from presage_server.rpc.rare_methods import RareMethod, add_rare_methods

__all__ = ["MODEL_SERVICE_NAME", "ModelService"]

MODEL_SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["ModelService"].full_name
_MAX_AT_ONCE = 2
"""Threads that read files at the same time: each takes the interpreter from the calls that need to be fast."""


class ModelService:
    """Serves ListModels, GetModel and SetAliases.

    Args:
        reporter: Describes the models.
        setter: Changes aliases; None: SetAliases is rejected.
    """

    def __init__(self, reporter: Reporter, *, setter: AliasSetter | None = None) -> None:
        self._reporter = reporter
        self._setter = setter
        self._at_once = asyncio.Semaphore(_MAX_AT_ONCE)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Have a server serve it."""
        methods: dict[str, RareMethod] = {
            "ListModels": (pb.ListModelsRequest, self._list_models),
            "GetModel": (pb.GetModelRequest, self._get_model),
            "SetAliases": (pb.SetAliasesRequest, self._set_aliases),
        }
        add_rare_methods(server, MODEL_SERVICE_NAME, methods)

    async def _list_models(self, _request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        async with self._at_once:
            return await asyncio.to_thread(self._reporter.list_models)

    async def _get_model(self, request: pb.GetModelRequest) -> pb.GetModelResponse:
        async with self._at_once:
            return await asyncio.to_thread(self._reporter.get_model, request.model, request.version)

    async def _set_aliases(self, request: pb.SetAliasesRequest) -> pb.SetAliasesResponse:
        if self._setter is None:
            raise NotPermittedError(
                "this server does not change aliases; start it with --allow-set-aliases, or use presage models on its host"
            )
        async with self._at_once:
            return await asyncio.to_thread(self._setter.set_aliases, request)
