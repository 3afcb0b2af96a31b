"""Requests with texts so long that a status could not hold them."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from presage.v1 import model_service_pb2, model_service_pb2_grpc
from support.running_server import serving

LONG = "x" * 70_000


@pytest.mark.usefixtures("each_transport")
async def test_a_rejection_does_not_repeat_them_and_harms_no_other_call(store, models):
    """Its metadata was beyond the libraries' limits; native's ended its connection to grpc.aio, with all calls on it."""
    async with serving(redis_url=store.url, models=models, allow_set_aliases=True) as served:
        stub = model_service_pb2_grpc.ModelServiceStub(served.channel)
        others = asyncio.gather(*(stub.ListModels(model_service_pb2.ListModelsRequest()).code() for _ in range(8)))
        aliases = model_service_pb2.Aliases(champion=LONG)
        with pytest.raises(grpc.aio.AioRpcError) as rejected:
            await stub.SetAliases(model_service_pb2.SetAliasesRequest(aliases=aliases, changed_by="a test"))
        assert rejected.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert len(rejected.value.details()) < 1_000
        assert set(await others) == {grpc.StatusCode.OK}
