from __future__ import annotations

import grpc
import pytest

from presage_training.errors import TrainingError
from presage_training.traffic.timing import time_single_calls
from support.scripted_servicer import Abort


def test_visitors_take_turns_and_the_first_calls_are_not_timed(servicer, target):
    stats = time_single_calls(target, ["ann", "bob", "cy"], calls=10)

    assert (len(stats.track_micros), len(stats.score_micros)) == (10, 10)
    assert min(stats.track_micros + stats.score_micros) > 0.0
    tracked = [request.event.user_id for request in servicer.requests("TrackEvent")]
    scored = [request.user_id for request in servicer.requests("Score")]
    assert tracked == scored == (["ann", "bob", "cy"] * 10)[:30]


def test_a_failed_call_ends_it_with_the_reason(servicer, target):
    servicer.script.append(Abort(grpc.StatusCode.NOT_FOUND, "no model"))
    with pytest.raises(TrainingError, match=r"^a call failed: TrackEvent at .*: no model"):
        time_single_calls(target, ["ann"], calls=1)
