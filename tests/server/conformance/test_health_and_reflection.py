"""The services that tools and balancers use."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

SERVICE = "presage.v1.ScoringService"
Status = health_pb2.HealthCheckResponse

pytestmark = pytest.mark.usefixtures("each_transport")


@pytest.mark.parametrize(
    ("service", "status"), [("", Status.SERVING), (SERVICE, Status.SERVING), ("another", Status.SERVICE_UNKNOWN)]
)
async def test_a_watch_tells_the_status_at_once_and_goes_on(served, service, status):
    watch = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest(service=service))
    assert (await watch.read()).status == status
    more = asyncio.ensure_future(watch.read())
    await health_pb2_grpc.HealthStub(served.channel).Check(health_pb2.HealthCheckRequest())
    assert not more.done()
    watch.cancel()
    await asyncio.gather(more, return_exceptions=True)


async def test_watches_that_are_cancelled_make_room_for_others(served):
    stub = health_pb2_grpc.HealthStub(served.channel)
    for _ in range(3):
        watches = [stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE)) for _ in range(100)]
        assert {(await watch.read()).status for watch in watches} == {Status.SERVING}
        for watch in watches:
            watch.cancel()
    assert (await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))).status == Status.SERVING


async def test_a_watch_ends_at_its_deadline(served):
    watch = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest(), timeout=0.3)
    assert (await watch.read()).status == Status.SERVING
    with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
        await watch.read()


REFLECTIONS = {"v1": "grpc.reflection.v1.ServerReflection", "v1alpha": "grpc.reflection.v1alpha.ServerReflection"}


def ask_reflection(channel, version):
    """Return the streaming call of one version; the messages of both are the same on the wire."""
    return channel.stream_stream(
        f"/{REFLECTIONS[version]}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )


@pytest.mark.parametrize("version", REFLECTIONS)
async def test_reflection_answers_several_questions_of_one_stream_in_their_order(served, version):
    ask = reflection_pb2.ServerReflectionRequest
    questions = [
        ask(file_containing_symbol=SERVICE),
        ask(file_containing_symbol="no.such.Service"),
        ask(file_by_filename="presage/v1/event.proto"),
        ask(file_by_filename="none.proto"),
        ask(list_services=""),
    ]
    answers = [answer async for answer in ask_reflection(served.channel, version)(iter(questions))]
    assert [answer.original_request for answer in answers] == questions
    known, unknown, by_name, no_file, listed = answers
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(one)
        for one in known.file_descriptor_response.file_descriptor_proto
    ]
    methods = [method.name for file in files for service in file.service for method in service.method]
    assert {"Score", "TrackEvent"} <= set(methods)
    assert by_name.file_descriptor_response.file_descriptor_proto
    not_found = grpc.StatusCode.NOT_FOUND.value[0]
    assert [one.error_response.error_code for one in (unknown, no_file)] == [not_found] * 2
    assert SERVICE in {service.name for service in listed.list_services_response.service}
    assert set(REFLECTIONS.values()) <= {service.name for service in listed.list_services_response.service}


@pytest.mark.parametrize("version", REFLECTIONS)
async def test_reflection_describes_every_service_that_it_lists(served, version):
    """As `grpcurl describe` does, which asks for each."""
    ask = reflection_pb2.ServerReflectionRequest
    (listed,) = [a async for a in ask_reflection(served.channel, version)(iter([ask(list_services="")]))]
    names = [service.name for service in listed.list_services_response.service]
    assert len(names) == 6
    questions = [ask(file_containing_symbol=name) for name in names]
    for name, answer in zip(
        names, [a async for a in ask_reflection(served.channel, version)(iter(questions))], strict=True
    ):
        pool = descriptor_pool.DescriptorPool()
        # The service's own file is the first, its imports follow.
        for file in reversed(answer.file_descriptor_response.file_descriptor_proto):
            pool.AddSerializedFile(file)
        assert pool.FindServiceByName(name).methods


@pytest.mark.parametrize("version", REFLECTIONS)
async def test_reflection_does_not_repeat_what_it_does_not_know(served, version):
    """One level deeper, in the answer, groups are nested more than clients take."""
    begins, ends = b"\x9b\x06", b"\x9c\x06"  # of a group in field 99
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    asked = [question.SerializeToString() + begins * depth + ends * depth for depth in (1, 98, 99)]
    for one in asked:
        assert reflection_pb2.ServerReflectionRequest.FromString(one) != question
    call = served.channel.stream_stream(f"/{REFLECTIONS[version]}/ServerReflectionInfo")(iter(asked))
    answers = [reflection_pb2.ServerReflectionResponse.FromString(encoded) async for encoded in call]
    assert [answer.original_request for answer in answers] == [question] * 3


NO_REQUESTS = {"a broken text": b"\x0a\x02\xff\xff", "a field without an end": b"\x0a\x7f", "no field": b"\xff\xff"}


@pytest.mark.parametrize("data", NO_REQUESTS.values(), ids=NO_REQUESTS)
async def test_bytes_that_are_no_request_are_rejected_in_one_line_and_without_a_traceback(served, caplog, data):
    channel = served.channel
    calls = {
        "grpc.health.v1.HealthCheckRequest": [
            channel.unary_unary("/grpc.health.v1.Health/Check")(data),
            anext(aiter(channel.unary_stream("/grpc.health.v1.Health/Watch")(data))),
        ],
        "grpc.reflection.v1alpha.ServerReflectionRequest": [
            anext(aiter(channel.stream_stream(f"/{service}/ServerReflectionInfo")(iter([data]))))
            for service in REFLECTIONS.values()
        ],
    }
    for name, made in calls.items():
        for call in made:
            with pytest.raises(grpc.aio.AioRpcError) as rejected:
                await call
            assert rejected.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert rejected.value.details() == f"expected a {name}, got {len(data)} bytes that cannot be parsed as one"
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []
    stub = health_pb2_grpc.HealthStub(channel)
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == Status.SERVING


async def test_an_unknown_service_has_no_health(served):
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await health_pb2_grpc.HealthStub(served.channel).Check(health_pb2.HealthCheckRequest(service="another"))
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
