from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from presage_client import Client, ClientOptions, RequestCancelledError
from support.scripted_servicer import ScriptedServicer, serving

OPTIONS = ClientOptions(timeout_ms=20_000)


def test_threads_share_one_client():
    servicer = ScriptedServicer()
    with (
        serving(servicer) as target,
        Client(target, options=OPTIONS) as client,
        ThreadPoolExecutor(max_workers=16) as threads,
    ):
        # All at once on a fresh client, so that they race for the making of the channel.
        predictions = list(threads.map(client.score, (f"u-{n}" for n in range(200))))
    assert len(predictions) == 200
    assert {request.user_id for request in servicer.requests("Score")} == {f"u-{n}" for n in range(200)}


def test_the_end_of_the_with_block_closes():
    with serving(ScriptedServicer()) as target:
        with Client(target, options=OPTIONS) as client:
            assert client.score("u-1").model == "plain"
        with pytest.raises(RequestCancelledError):
            client.score("u-1")


def test_a_client_that_was_never_used_closes():
    Client("127.0.0.1:1").close()
