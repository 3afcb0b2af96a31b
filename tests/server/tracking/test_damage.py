"""States that cannot be read, and states of other releases, met by a running server."""

from __future__ import annotations

import logging
from zlib import crc32

import grpc
import msgspec
import pytest
from google.protobuf.json_format import MessageToDict

from presage.v1 import event_pb2, scoring_service_pb2
from presage_featurizer import decode_event, decode_state
from presage_server.log_ids import log_id
from presage_server.store.keys import state_key
from presage_server.store.snapshot import REVISION_BYTES
from support.metrics import metric
from support.running_server import an_event, serving, track


def score_request(user_id: str) -> scoring_service_pb2.ScoreRequest:
    return scoring_service_pb2.ScoreRequest(
        user_id=user_id, include_features=True, as_of_unix_micros=1_700_000_000_000_000
    )


SCORE = score_request("u")
FEATURES = scoring_service_pb2.GetFeaturesRequest(user_id="u")


def flipped(blob: bytes) -> bytes:
    """Change one bit in the middle."""
    changed = bytearray(blob)
    changed[len(blob) // 2] ^= 4
    return bytes(changed)


DAMAGES = {
    "empty": lambda _blob: b"",
    "shorter than a revision": lambda blob: blob[:5],
    "a revision and nothing else": lambda blob: blob[:REVISION_BYTES],
    "cut short": lambda blob: blob[:-1],
    "too long": lambda blob: blob + b"\0",
    "a flipped bit": flipped,
    "zeros": lambda blob: b"\0" * len(blob),
    "not ours": lambda _blob: b"a string that somebody set by hand",
}


def by_another_writer(blob: bytes) -> bytes:
    """Give a blob another revision, as whoever else writes it does; the server's memory of its own last write is out of date."""
    return b"\0" * REVISION_BYTES + blob[REVISION_BYTES:]


def version_changed(blob: bytes, version: int) -> bytes:
    """Make a state that another release wrote, with a checksum that holds."""
    body = bytes((version,)) + blob[REVISION_BYTES + 5 :]
    return by_another_writer(blob[:REVISION_BYTES] + crc32(body).to_bytes(4, "big") + body)


@pytest.fixture
async def metered(store, models, unused_tcp_port):
    """A server with metrics, on an empty store."""
    settings = {"redis_url": store.url, "models": models, "metrics_port": unused_tcp_port}
    async with serving(**settings) as served:
        yield served, unused_tcp_port


async def failure(call) -> grpc.aio.AioRpcError:
    """Await a call that has to fail; answer with its error."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value


async def test_a_damaged_state_is_scored_cold_kept_aside_and_never_silently_overwritten(store, metered, caplog):
    served, metrics_port = metered
    cold = (await served.stub.Score(SCORE)).prediction
    await served.stub.TrackEvent(track("u", "first"))
    healthy = store.blob("u")
    seen = 0
    for number, damage in enumerate(DAMAGES.values()):
        user_id = f"damaged-{number}"
        blob = damage(healthy)
        store.redis.flushall()
        store.set_blob(user_id, blob)
        caplog.clear()

        answer = (await served.stub.Score(score_request(user_id))).prediction
        assert (answer.degraded, answer.cold_start, answer.score) == (True, True, cold.score)
        assert MessageToDict(answer.features) == MessageToDict(cold.features)
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert f"{log_id(user_id)} cannot be read" in caplog.text
        assert user_id not in caplog.text
        assert store.blob(user_id) == blob
        refused = await failure(served.stub.GetFeatures(scoring_service_pb2.GetFeaturesRequest(user_id=user_id)))
        assert refused.code() == grpc.StatusCode.DATA_LOSS
        assert store.blob(user_id) == blob

        tracked = await served.stub.TrackEvent(
            scoring_service_pb2.TrackEventRequest(event=an_event(user_id, "second"), score=True)
        )
        assert not tracked.duplicate
        assert tracked.prediction.degraded
        assert "was quarantined and a new one started" in caplog.text
        assert store.aside(user_id) == [blob]
        assert decode_state(store.blob(user_id)[REVISION_BYTES:]).sessions[0].event_count == 1
        (entry,) = store.stream(user_id)
        assert (decode_event(entry[b"event"]).event_id, entry[b"fresh"]) == ("second", b"1")

        seen += 3
        assert await metric(metrics_port, "presage_unreadable_states_total") == seen
        assert not (await served.stub.Score(score_request(user_id))).prediction.degraded


async def test_a_state_damaged_after_this_servers_last_write_of_it_is_repaired_by_the_next_event(store, served):
    """The server remembers what it wrote, and the revision shows that nobody has written since."""
    await served.stub.TrackEvent(track("u", "first"))
    healthy = store.blob("u")
    store.set_blob("u", flipped(healthy))
    assert (await served.stub.Score(SCORE)).prediction.degraded
    await served.stub.TrackEvent(track("u", "second"))
    assert decode_state(store.blob("u")[REVISION_BYTES:]).sessions[0].event_count == 2
    assert store.aside("u") == []


async def test_a_second_damage_is_kept_beside_the_first(store, served):
    for number, blob in enumerate((b"one", b"two")):
        store.set_blob("u", blob)
        await served.stub.TrackEvent(track("u", f"event-{number}"))
    assert store.aside("u") == [b"one", b"two"]


async def test_a_damaged_state_that_is_scored_all_the_time_fills_no_log(store, metered, caplog):
    served, metrics_port = metered
    store.set_blob("ill", b"damaged")
    targets = [scoring_service_pb2.ScoreTarget(user_id="ill")] * 1_000
    for _ in range(3):
        await served.stub.ScoreBatch(scoring_service_pb2.ScoreBatchRequest(targets=targets))
    lines = [record for record in caplog.records if "cannot be read" in record.getMessage()]
    assert 20 <= len(lines) < 100
    assert await metric(metrics_port, "presage_unreadable_states_total") == 3_000


async def test_a_batch_marks_only_the_damaged_visitor(store, served):
    await served.stub.TrackEvent(track("well", "first"))
    store.set_blob("ill", b"damaged")
    targets = [scoring_service_pb2.ScoreTarget(user_id=name) for name in ("well", "ill", "nobody")]
    response = await served.stub.ScoreBatch(scoring_service_pb2.ScoreBatchRequest(targets=targets))
    flags = [(one.cold_start, one.degraded) for one in response.predictions]
    assert flags == [(False, False), (True, True), (True, False)]


async def test_a_key_that_is_not_ours_troubles_its_visitor_alone_and_its_name_stays_here(store, served, caplog):
    """A list stands where a state is expected."""
    await served.stub.TrackEvent(track("well", "first"))
    key = state_key("foreign")
    store.redis.lpush(key, "a list")
    names = ["well", "foreign", "new", "foreign"]

    events = [an_event(name, f"event-{number}") for number, name in enumerate(names)]
    results = (await served.stub.TrackEvents(scoring_service_pb2.TrackEventsRequest(events=events))).results
    lost = grpc.StatusCode.DATA_LOSS.value[0]  # no client sends it again: it would be rejected again
    assert [result.code for result in results] == [0, lost, 0, lost]
    assert [len(store.stream(name)) for name in ("well", "new")] == [2, 1]

    targets = [scoring_service_pb2.ScoreTarget(user_id=name) for name in names]
    response = await served.stub.ScoreBatch(scoring_service_pb2.ScoreBatchRequest(targets=targets))
    assert [one.degraded for one in response.predictions] == [False, True, False, True]
    assert (await served.stub.Score(scoring_service_pb2.ScoreRequest(user_id="foreign"))).prediction.degraded
    refused = [
        await failure(served.stub.TrackEvent(track("foreign", "another"))),
        await failure(served.stub.GetFeatures(scoring_service_pb2.GetFeaturesRequest(user_id="foreign"))),
    ]
    assert [error.code().name for error in refused] == ["DATA_LOSS", "DATA_LOSS"]
    assert "scoring without history" not in caplog.text, "the store itself is well"

    assert "WRONGTYPE" in caplog.text
    for text in [error.details() for error in refused] + [result.message for result in results]:
        for secret in (key, key.partition(":")[0], "WRONGTYPE", "script", "KEYS"):
            assert secret not in text
    assert store.redis.lrange(key, 0, -1) == [b"a list"]


async def test_a_state_with_the_last_revision_of_all_takes_events_as_any_other(store, served):
    await served.stub.TrackEvent(track("u", "first"))
    store.set_blob("u", b"\xff" * REVISION_BYTES + store.blob("u")[REVISION_BYTES:])
    for event_id in ("second", "third"):
        assert not (await served.stub.TrackEvent(track("u", event_id))).duplicate
    assert decode_state(store.blob("u")[REVISION_BYTES:]).sessions[0].event_count == 3


async def test_a_newer_releases_state_is_scored_cold_and_refuses_events_and_is_told_once(store, served, caplog):
    await served.stub.TrackEvent(track("u", "first"))
    blob = version_changed(store.blob("u"), 200)
    store.set_blob("u", blob)
    before = store.everything()
    for _ in range(3):
        assert (await served.stub.Score(SCORE)).prediction.degraded
        for call in (served.stub.GetFeatures(FEATURES), served.stub.TrackEvent(track("u", "second"))):
            assert (await failure(call)).code() == grpc.StatusCode.FAILED_PRECONDITION
    told = [record.levelno for record in caplog.records if "a newer release wrote" in record.getMessage()]
    assert told == [logging.WARNING]
    assert max(record.levelno for record in caplog.records) == logging.WARNING
    batch = scoring_service_pb2.TrackEventsRequest(events=[an_event("u", "third"), an_event("another", "fourth")])
    codes = [result.code for result in (await served.stub.TrackEvents(batch)).results]
    assert codes == [grpc.StatusCode.FAILED_PRECONDITION.value[0], 0]
    assert {key: value for key, value in store.everything().items() if key in before} == before


async def test_a_state_of_an_older_release_is_read_and_then_written_whole(store, served):
    """An older struct has fewer fields at the end."""
    items = [event_pb2.Item(item_id="i", price=2.0, quantity=3)]
    await served.stub.TrackEvent(track("u", "first", type=event_pb2.EVENT_TYPE_ADD_TO_CART, items=items))
    blob = store.blob("u")
    fields = msgspec.msgpack.decode(blob[REVISION_BYTES + 5 :])
    older = bytes((1,)) + msgspec.msgpack.encode(fields[:-2])
    store.set_blob("u", blob[:REVISION_BYTES] + crc32(older).to_bytes(4, "big") + older)

    prediction = (await served.stub.Score(SCORE)).prediction
    assert (prediction.cold_start, prediction.degraded) == (False, False)
    features = dict(zip(prediction.features.names, prediction.features.values, strict=True))
    assert features["cart_items_count"] == 3
    await served.stub.TrackEvent(track("u", "second"))
    rewritten = store.blob("u")
    assert len(msgspec.msgpack.decode(rewritten[REVISION_BYTES + 5 :])) == len(fields)
    assert decode_state(rewritten[REVISION_BYTES:]).cart["i"].quantity == 3
    assert store.aside("u") == []
