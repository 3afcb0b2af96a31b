"""What two servers recorded, replayed offline, gives every vector back that they served."""

from __future__ import annotations

from presage_server.settings import shipped_models
from support.proofs import check_replay, send_crowded, simulated_sessions
from support.running_server import server_process

SESSIONS = 2_000
CLIENTS = 16
SEED = 20


async def test_the_recorded_log_gives_every_served_vector_back(store, tmp_path):
    sessions = simulated_sessions(SESSIONS, seed=SEED)
    flags = ("--redis-url", store.url, "--models", str(shipped_models()), "--stream-max-events", "0")

    with server_process(tmp_path / "a.log", *flags) as one, server_process(tmp_path / "b.log", *flags) as other:
        addresses = (one.address, other.address)
        answers = await send_crowded(sessions, addresses, clients=CLIENTS, seed=SEED)

    check_replay(store, sessions, answers)
    assert sum(answer.duplicate for answer in answers) > SESSIONS
