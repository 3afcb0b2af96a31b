"""What two servers recorded, replayed offline, gives every vector back that they served."""

from __future__ import annotations

from collections import Counter

from presage_featurizer import encode_state, featurize
from presage_server.settings import shipped_models
from presage_server.store.snapshot import REVISION_BYTES
from presage_training.replaying.replay import Replay
from support.event_log import read_event_log
from support.proofs import send_crowded, simulated_sessions
from support.running_server import server_process

SESSIONS = 2_000
CLIENTS = 16
SEED = 20


async def test_the_recorded_log_gives_every_served_vector_back(store, tmp_path):
    sessions = simulated_sessions(SESSIONS, seed=SEED)
    sent = {event.event_id: event for session in sessions for event in session}
    flags = ("--redis-url", store.url, "--models", str(shipped_models()), "--stream-max-events", "0")

    with server_process(tmp_path / "a.log", *flags) as one, server_process(tmp_path / "b.log", *flags) as other:
        addresses = (one.address, other.address)
        answers = await send_crowded(sessions, addresses, clients=CLIENTS, seed=SEED)

    replay = Replay()
    after: dict[str, list] = {}
    place_in_log = {}
    for logged in read_event_log(store.redis):
        event = logged.event
        assert event == sent[event.event_id], "an event changed on its way"
        assert event.event_id not in place_in_log, "an event was counted twice"
        before = replay.states.get(event.user_id)
        assert logged.fresh == (before is None), "only a visitor's first event finds no history"
        states = after.setdefault(event.user_id, [])
        place_in_log[event.event_id] = len(states)
        states.append(replay.fold(event, fresh=logged.fresh))
    assert place_in_log.keys() == sent.keys(), "an event was lost"

    times_counted = Counter(answer.event.event_id for answer in answers if not answer.duplicate)
    assert times_counted == dict.fromkeys(sent, 1)
    different = []
    for answer in answers:
        event = answer.event
        states = after[event.user_id]
        first = place_in_log[event.event_id]
        # A duplicate is answered with what stands by then: the state right after the event, or a later one.
        possible = states[first:] if answer.duplicate else states[first : first + 1]
        served = answer.vector.tobytes()
        if not any(
            featurize(state, event.event_time_unix_micros, session_id=event.session_id).tobytes() == served
            for state in possible
        ):
            different.append(answer)
    assert different == []
    assert sum(answer.duplicate for answer in answers) > SESSIONS
    stored = {user_id: (store.blob(user_id) or b"")[REVISION_BYTES:] for user_id in replay.states}
    assert stored == {user_id: encode_state(state) for user_id, state in replay.states.items()}
