from __future__ import annotations

from types import SimpleNamespace

import pytest

from presage_server.transport.grpcio import _GrpcioCall


@pytest.mark.parametrize("end_first", [False, True])
def test_a_call_that_has_ended_is_not_in_flight_whatever_is_noticed_first(end_first):
    """The library reports both in either order. A call left in the set would never be freed, and a drain would wait for it."""
    transport = SimpleNamespace(arrived=[], calls=set(), arrived_at=0.0)
    call = _GrpcioCall(transport, None, "/a/B", b"", 0.0, float("inf"), (), "peer")
    request = SimpleNamespace(batch_operations=[SimpleNamespace(message=lambda: b"request")])
    notices = [lambda: call._take_request(request), lambda: call._take_end(None)]
    for notice in reversed(notices) if end_first else notices:
        notice()
    assert not transport.calls
