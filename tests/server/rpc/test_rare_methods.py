"""Methods of grpc.aio: what a caller sees of results, of rejections, and of defects."""

from __future__ import annotations

import logging

import grpc
import pytest

from presage.v1 import model_service_pb2 as pb
from presage_server.errors import InvalidRequestError
from presage_server.rpc.rare_methods import add_rare_methods

SERVICE = "presage.v1.ModelService"
CODE = grpc.StatusCode


async def get_model(request: pb.GetModelRequest) -> pb.GetModelResponse:
    if request.model == "bad":
        raise InvalidRequestError("expected a good one", field="model")
    if request.model == "defect":
        raise ZeroDivisionError("a secret")
    return pb.GetModelResponse(problem=request.model)


@pytest.fixture
async def call():
    server = grpc.aio.server()
    add_rare_methods(server, SERVICE, {"GetModel": (pb.GetModelRequest, get_model)})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.unary_unary(f"/{SERVICE}/GetModel")
    await server.stop(None)


def asking_for(model: str) -> bytes:
    return pb.GetModelRequest(model=model).SerializeToString()


async def test_a_result_comes_back(call):
    assert pb.GetModelResponse.FromString(await call(asking_for("ann"))).problem == "ann"


@pytest.mark.parametrize(
    ("encoded", "code", "message", "has_details"),
    [
        (asking_for("bad"), CODE.INVALID_ARGUMENT, "expected a good one", True),
        (b"\xff\xff", CODE.INVALID_ARGUMENT, "expected a presage.v1.GetModelRequest, got 2 bytes", False),
    ],
)
async def test_a_request_is_rejected(call, encoded, code, message, has_details):
    with pytest.raises(grpc.aio.AioRpcError, match=message) as caught:
        await call(encoded)
    assert caught.value.code() is code
    assert ("grpc-status-details-bin" in dict(caught.value.trailing_metadata())) == has_details


async def test_a_defect_is_logged_and_not_sent(call, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(asking_for("defect"))
    assert caught.value.code() is CODE.INTERNAL
    assert "secret" not in caught.value.details()
    assert "GetModel failed" in caplog.text
    assert "a secret" in caplog.text
