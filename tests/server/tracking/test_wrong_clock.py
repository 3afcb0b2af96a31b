"""A server whose clock was wrong for a moment: its visitors' sessions go on, and a replay gives the same states."""

from __future__ import annotations

import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import encode_state
from presage_server.store.snapshot import REVISION_BYTES
from presage_server.tracking.recent import RecentSnapshots
from presage_training.readers.formats.archive import read_archive
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.replaying.replay import Replay
from support.archives import archive_once
from support.event_log import read_event_log
from support.events import DAY_MICROS, MINUTE_MICROS
from support.pipelines import local_pipeline, track
from support.stores import opened

START_UNIX_MICROS = 1_700_000_000_000_000


class SettableClock:
    def __init__(self) -> None:
        self.now_unix_micros = START_UNIX_MICROS

    def __call__(self) -> int:
        return self.now_unix_micros


def page_views(server, user_id: str, session_id: str) -> int:
    """Return the page views of the session that a Score would use now."""
    features = server.answer(pb.GetFeaturesRequest(user_id=user_id, session_id=session_id)).features
    return round(dict(zip(features.names, features.values, strict=True))["page_views"])


@pytest.mark.parametrize("capacity", [0, 10], ids=["read each time", "remembered"])
@pytest.mark.parametrize("session_id", ["", "tab"])
def test_an_event_a_day_ahead_does_not_freeze_a_session(store, models, session_id, capacity, tmp_path):
    clock = SettableClock()
    with (
        opened(store) as view,
        local_pipeline(view, models, recent=RecentSnapshots(capacity), clock=clock) as server,
    ):

        def visit(number: int) -> None:
            server.answer(track("u", f"e{number}", session_id=session_id))

        visit(0)
        clock.now_unix_micros += DAY_MICROS + 40 * MINUTE_MICROS
        visit(1)
        clock.now_unix_micros = START_UNIX_MICROS
        for number in range(2, 12):
            clock.now_unix_micros += MINUTE_MICROS
            visit(number)
        assert server.counted("presage_states_ahead_total") == 1
        # The session that the wrong time began, or the named one that began again.
        assert page_views(server, "u", session_id) == 11
        clock.now_unix_micros += 31 * MINUTE_MICROS
        visit(12)
        assert page_views(server, "u", session_id) == (12 if session_id else 1)
    stored = store.blob("u")[REVISION_BYTES:]
    replay = Replay()
    logged = [replay.fold(each.event, fresh=each.fresh) for each in read_event_log(store.redis)]
    assert len(logged) == 13
    assert encode_state(replay.states["u"]) == stored
    archive_once(store, tmp_path)
    from_archive = Replay()
    for archived in read_archive(tmp_path, skipped=SkippedRows()):
        from_archive.fold(archived.event, fresh=archived.fresh)
    assert encode_state(from_archive.states["u"]) == stored
