from __future__ import annotations

from collections import defaultdict
from itertools import groupby

import pytest
from training.simulator.world import SEED, START_UNIX_MICROS, VISITORS

from presage_training.simulator import create_visitor, simulate


@pytest.fixture(scope="session")
def events():
    return simulate(seed=SEED, visitors=VISITORS, start_unix_micros=START_UNIX_MICROS)


@pytest.fixture(scope="session")
def sessions(events):
    """The events of each visit, the visits of one visitor in the order of time."""
    by_session = sorted(events, key=lambda event: (event.session_id, event.event_time_unix_micros))
    return [list(visit) for _, visit in groupby(by_session, key=lambda event: event.session_id)]


@pytest.fixture(scope="session")
def sessions_by_persona(sessions):
    personas = {
        visitor.user_id: visitor.persona.name
        for visitor in (create_visitor(seed=SEED, index=index) for index in range(VISITORS))
    }
    by_persona = defaultdict(list)
    for visit in sessions:
        by_persona[personas[visit[0].user_id]].append(visit)
    return by_persona
