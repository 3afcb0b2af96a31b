"""The metrics over HTTP."""

from __future__ import annotations

import shutil
from importlib.metadata import version

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_server.errors import SettingsError
from presage_server.rpc.limits import MAX_EVENTS_PER_VISITOR
from presage_server.telemetry.exposition import listen
from support.bundle_files import copy_bundle
from support.metrics import exchange, metric
from support.running_server import serving, track


async def test_calls_events_and_scores_are_counted(store, models, unused_tcp_port):
    async with serving(redis_url=store.url, models=models, metrics_port=unused_tcp_port) as served:
        for event_id in ("a", "a", "b"):
            await served.stub.TrackEvent(track("u", event_id))
        await served.stub.Score(pb.ScoreRequest(user_id="u"))
        bad = pb.TrackEventsRequest(events=[track("").event, track("u", "c").event])
        await served.stub.TrackEvents(bad)
        with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
            await served.stub.TrackEvent(track(""))
        too_many = pb.TrackEventsRequest(events=[track("crowded", "same").event] * (MAX_EVENTS_PER_VISITOR + 1))
        await served.stub.TrackEvents(too_many)
        answer = (await exchange(unused_tcp_port, b"GET /metrics HTTP/1.1\r\n\r\n")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}" in head
    lines = body.splitlines()
    for expected in (
        'grpc_server_handled_total{grpc_code="OK",grpc_method="TrackEvent"} 3.0',
        'grpc_server_handled_total{grpc_code="INVALID_ARGUMENT",grpc_method="TrackEvent"} 1.0',
        'grpc_server_handled_total{grpc_code="OK",grpc_method="Score"} 1.0',
        'grpc_server_handling_seconds_count{grpc_method="TrackEvent"} 4.0',
        'presage_events_total{outcome="applied"} 4.0',
        f'presage_events_total{{outcome="duplicate"}} {MAX_EVENTS_PER_VISITOR}.0',
        'presage_events_total{outcome="invalid"} 3.0',
        'presage_events_total{outcome="refused"} 0.0',
        'presage_scores_total{history="known"} 1.0',
        'presage_scores_total{history="none"} 0.0',
        "presage_unreadable_states_total 0.0",
        "presage_states_ahead_total 0.0",
        "presage_clock_jumps_total 0.0",
        'presage_store_trouble{kind="full"} 0.0',
        'presage_store_trouble{kind="unreachable"} 0.0',
        'presage_store_trouble_starts_total{kind="disk"} 0.0',
        'presage_store_rejections_total{kind="read_only"} 0.0',
    ):
        assert expected in lines
    builds = [line for line in lines if line.startswith("presage_build_info{")]
    assert [line.partition(",version=")[0] for line in builds] == [
        'presage_build_info{model="conversion",model_version="1"',
        'presage_build_info{model="second",model_version="2"',
    ]
    assert all(line.endswith(f'version="{version("presage-scoring")}"}} 1.0') for line in builds)
    assert "_created" not in body
    assert "'u'" not in body, "a visitor's id has no place in metrics"


async def test_a_newer_version_that_is_rejected_is_counted(store, models, tmp_path, unused_tcp_port):
    folder = shutil.copytree(models, tmp_path / "models")
    copy_bundle(folder / "second" / "2", folder / "second" / "3")
    (folder / "second" / "3" / "golden.npz").write_bytes(b"damaged")
    async with serving(redis_url=store.url, models=folder, metrics_port=unused_tcp_port) as served:
        response = await served.stub.Score(pb.ScoreRequest(user_id="u", model="second"))
        assert await metric(unused_tcp_port, 'presage_bundles_rejected_total{model="second"}') == 1
        assert await metric(unused_tcp_port, 'presage_bundles_rejected_total{model="conversion"}') == 0
    assert response.prediction.model_version == "2"


async def test_a_port_that_is_taken_is_refused_by_name(store, models):
    (taken,) = listen("127.0.0.1", 0)
    with taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"metrics_port: cannot listen on 127\.0\.0\.1:{port}"):
            async with serving(redis_url=store.url, models=models, metrics_port=port):
                pass
