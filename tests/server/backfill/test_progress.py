from __future__ import annotations

import pytest

from presage_server.backfill.progress import Progress
from presage_server.backfill.resolving import Outcome


def test_a_line_has_an_estimate_and_every_count():
    progress = Progress(share=0.25, events=70, written=2, gaps=1)
    progress.outcomes.update([Outcome.BACKFILLED, Outcome.BACKFILLED, Outcome.UNCHANGED])
    assert progress.line(10.0) == (
        "done=25% remaining_seconds=30 events=70 visitors=3 written=2 unchanged=1 backfilled=2 restored=0 replaced=0 older=0 "
        "different=0 missing=0 expired=0 unreadable=0 newer=0 contended=0 erased=0 gaps=1 unreadable_events=0"
    )
    assert "remaining_seconds=unknown" in Progress().line(10.0)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_it_is_complete_unless_a_state_could_not_be_read(outcome):
    progress = Progress()
    progress.outcomes[outcome] = 1
    assert progress.is_complete == (outcome not in {Outcome.UNREADABLE, Outcome.NEWER})


@pytest.mark.parametrize("field", ["contended", "erased", "gaps", "unreadable_events"])
def test_it_is_not_complete_where_something_was_left_out(field):
    assert not Progress(**{field: 1}).is_complete
