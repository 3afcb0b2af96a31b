"""A server that asks for tokens, with each transport: who can call what, and what the others learn and change."""

from __future__ import annotations

import asyncio
import logging
from itertools import product

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from presage.v1 import scoring_service_pb2 as pb
from presage_client import AccessDeniedError, AsyncClient, Client, ClientOptions, Event, EventType
from presage_server.access.methods import METHODS
from presage_server.access.scopes import OpenPart, Scope
from presage_server.errors import TokensError
from presage_server.items.catalogue_files import open_catalogue
from presage_server.items.loading import LoadError, load_catalogue
from support.hpack import encode_headers
from support.http2_frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame, message, raw_connection, request_headers
from support.metrics import metrics_text
from support.running_server import GENEROUS_SECONDS, serving, track
from support.tokens import all_methods, bearing, outcome, secret_of, write_tokens

CODE = grpc.StatusCode
REFUSED = {CODE.UNAUTHENTICATED, CODE.PERMISSION_DENIED}
SCORE = "/presage.v1.ScoringService/Score"
NOT_SERVED = {"/grpc.health.v1.Health/List": CODE.UNIMPLEMENTED}
"""Described, and missing in grpcio-health-checking."""
UNKNOWN_METHODS = ("/presage.v1.ScoringService/Other", "/a.B/C", "/")
SCOPES = {"tracker": "track", "scorer": "score", "boss": "admin", "nothing": ""}
"""Of each token."""

pytestmark = pytest.mark.usefixtures("each_transport")


@pytest.fixture
def tokens_file(tmp_path):
    path = tmp_path / "tokens.json"
    write_tokens(path, **SCOPES, slow=("score", 0.5, 2))
    return path


@pytest.fixture
async def asking(store, models, tokens_file):
    """A server where nothing is open."""
    async with serving(
        redis_url=store.url,
        models=models,
        tokens_file=str(tokens_file),
        open_without_token="none",
        allow_set_aliases=True,
    ) as server:
        yield server


def as_they_are(store) -> dict[bytes, bytes]:
    return {key: store.redis.dump(key) for key in store.redis.keys("*")}


async def test_without_a_token_no_method_can_be_used_and_none_is_told_from_one_that_there_is_not(asking, store):
    before = as_they_are(store)
    for metadata in ([], bearing("another"), [("authorization", "Basic c2VjcmV0")]):
        for path, request in (all_methods() | dict.fromkeys(UNKNOWN_METHODS, b"")).items():
            assert await outcome(asking, path, request, metadata) is CODE.UNAUTHENTICATED, path
    with pytest.raises(grpc.aio.AioRpcError, match="this server asks for a token"):
        await asking.stub.TrackEvent(track())
    assert as_they_are(store) == before


async def test_a_token_can_do_what_its_scope_is_for_and_nothing_else(asking, store):
    before = as_they_are(store)
    for name, (path, request) in product(SCOPES, all_methods().items()):
        need = METHODS[path]
        ended = await outcome(asking, path, request, bearing(name))
        if path in NOT_SERVED:
            assert ended is NOT_SERVED[path]
        elif isinstance(need, OpenPart):
            assert ended is CODE.OK, path
        elif need == SCOPES[name]:
            assert ended not in REFUSED, path
        else:
            assert ended is CODE.PERMISSION_DENIED, path
    for name, path in product(SCOPES, UNKNOWN_METHODS):
        assert await outcome(asking, path, b"", bearing(name)) is CODE.UNIMPLEMENTED
    assert as_they_are(store) == before


async def test_a_token_for_events_gets_no_score_with_one_and_its_event_is_not_counted(asking, store):
    metadata = bearing("tracker")
    request = track("u", "with a score")
    request.score = True
    with pytest.raises(grpc.aio.AioRpcError, match="score: expected a token with the scope score, too") as caught:
        await asking.stub.TrackEvent(request, metadata=metadata)
    assert caught.value.code() is CODE.PERMISSION_DENIED
    assert store.stream("u") == []
    await asking.stub.TrackEvent(track("u", "alone"), metadata=metadata)
    assert len(store.stream("u")) == 1


async def test_a_call_is_rejected_before_its_request_is_looked_at(store, models, tokens_file):
    settings = {"tokens_file": str(tokens_file), "max_message_bytes": 1_024}
    async with serving(redis_url=store.url, models=models, **settings) as server:
        for request in (bytes(2_048), b"\xff"):
            assert await outcome(server, SCORE, request) is CODE.UNAUTHENTICATED
        known = bearing("scorer")
        assert await outcome(server, SCORE, bytes(2_048), known) is CODE.RESOURCE_EXHAUSTED
        assert await outcome(server, SCORE, b"\xff", known) is CODE.INVALID_ARGUMENT


async def test_health_is_open_unless_told_otherwise_and_metrics_and_reflection_are_not(
    store, models, tokens_file, unused_tcp_port
):
    settings = {"tokens_file": str(tokens_file), "metrics_port": unused_tcp_port}
    async with serving(redis_url=store.url, models=models, **settings) as server:
        for path, request in all_methods().items():
            ended = await outcome(server, path, request)
            if METHODS[path] is OpenPart.HEALTH:
                assert ended is (CODE.OK if path not in NOT_SERVED else CODE.UNIMPLEMENTED), path
            else:
                assert ended is CODE.UNAUTHENTICATED, path
        await server.stub.Score(pb.ScoreRequest(user_id="u"), metadata=bearing("scorer"))
        rejected = await metrics_text(unused_tcp_port)
        assert rejected.startswith("HTTP/1.1 401 ")
        assert "presage_" not in rejected
        assert (await metrics_text(unused_tcp_port, "another")).startswith("HTTP/1.1 401 ")
        text = await metrics_text(unused_tcp_port, secret_of("nothing"))
        assert text.startswith("HTTP/1.1 200 ")
        assert 'presage_token_calls_total{outcome="passed",token="scorer"} 1.0' in text
        assert 'presage_token_calls_total{outcome="missing",token=""} 17.0' in text


async def test_over_its_rate_a_token_is_told_when_to_try_again(asking):
    metadata = bearing("slow")
    request = pb.ScoreRequest(user_id="u")
    for _ in range(2):
        await asking.stub.Score(request, metadata=metadata)
    with pytest.raises(
        grpc.aio.AioRpcError, match=r"token slow may make 0\.5 calls per second; try again in"
    ) as caught:
        await asking.stub.Score(request, metadata=metadata)
    assert caught.value.code() is CODE.RESOURCE_EXHAUSTED
    details = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    info = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    assert 0 < info.retry_delay.ToMilliseconds() <= 2_000
    await asking.stub.Score(request, metadata=bearing("scorer"))


async def test_metadata_that_no_client_sends_is_rejected_and_others_are_served(asking):
    for value in (b"Bearer \xff\xfe", "Bearer é".encode(), b"Bearer", b"", b"Bearer " + b"x" * 4_000):
        fields = encode_headers([*request_headers(SCORE), ("authorization", value)])
        async with raw_connection(asking.address) as raw:
            raw.send(frame(HEADERS, END_HEADERS, 1, fields) + frame(DATA, END_STREAM, 1, message(b"")))
            assert (await raw.answered(1)).status == "grpc 16"
    await asking.stub.Score(pb.ScoreRequest(user_id="u"), metadata=bearing("scorer"))


async def test_other_tokens_hold_without_a_restart_and_a_broken_file_changes_nothing(asking, tokens_file):
    async def until(token, code):
        async with asyncio.timeout(GENEROUS_SECONDS):
            while await outcome(asking, SCORE, b"\xff", bearing(token)) is not code:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    write_tokens(tokens_file, new="score")
    await until("new", CODE.INVALID_ARGUMENT)
    assert await outcome(asking, SCORE, b"", bearing("scorer")) is CODE.UNAUTHENTICATED
    tokens_file.write_text("{")
    await asyncio.sleep(1.2)
    assert await outcome(asking, SCORE, b"\xff", bearing("new")) is CODE.INVALID_ARGUMENT


async def test_the_client_sends_its_token_and_no_log_has_it(asking, caplog):
    caplog.set_level(logging.DEBUG)
    view = Event(type=EventType.PAGE_VIEW, user_id="u")
    async with AsyncClient(
        asking.address, options=ClientOptions(token=secret_of("tracker"), timeout_ms=20_000)
    ) as client:
        assert not (await client.track(view)).duplicate
        with pytest.raises(AccessDeniedError, match="Score: expected a token with the scope score"):
            await client.score("u")
    async with AsyncClient(
        asking.address, options=ClientOptions(token=lambda: secret_of("nobody"), timeout_ms=20_000)
    ) as other:
        with pytest.raises(AccessDeniedError, match="not known here"):
            await other.score("u")
    assert "secret-of" not in caplog.text
    assert "Bearer" not in caplog.text


async def test_the_blocking_client_and_the_loader_of_catalogues_send_tokens(asking, tmp_path):
    (tmp_path / "items.csv").write_text("item_id,price\nsku-1,2\n")

    def load(name):
        with (
            open_catalogue(tmp_path / "items.csv", {}, "utf-8") as file,
            grpc.insecure_channel(asking.address) as channel,
        ):
            return load_catalogue(file, channel, lambda _: None, secret_of(name)).stored

    def score(name):
        options = ClientOptions(token=secret_of(name), timeout_ms=20_000)
        with Client(asking.address, options=options) as client:
            return client.score("u").cold_start

    assert await asyncio.to_thread(load, "boss") == 1
    with pytest.raises(LoadError, match="PERMISSION_DENIED"):
        await asyncio.to_thread(load, "scorer")
    assert await asyncio.to_thread(score, "scorer")
    with pytest.raises(AccessDeniedError):
        await asyncio.to_thread(score, "boss")


async def test_a_server_does_not_start_without_a_file_that_it_can_use(store, models, tokens_file):
    tokens_file.chmod(0o644)
    with pytest.raises(TokensError, match="chmod 600"):
        async with serving(redis_url=store.url, models=models, tokens_file=str(tokens_file)):
            pass


def test_every_scope_has_a_token_here():
    assert {*Scope} <= set(SCOPES.values())
