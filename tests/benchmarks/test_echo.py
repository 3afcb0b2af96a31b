from __future__ import annotations

import sys

import grpc
import pytest

from benchmarks.rig.serving import serving_process
from presage.v1 import scoring_service_pb2, scoring_service_pb2_grpc


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_it_answers_score_and_nothing_else(transport):
    with (
        serving_process((sys.executable, "-m", "benchmarks.echo", "--transport", transport)) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
        answer = stub.Score(scoring_service_pb2.ScoreRequest(user_id="anyone"), timeout=10, wait_for_ready=True)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ScoreBatch(scoring_service_pb2.ScoreBatchRequest(), timeout=10)

    assert answer.prediction.model == "conversion"
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
