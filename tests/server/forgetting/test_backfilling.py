"""A backfill that has read a visitor's events must not bring the visitor back."""

from __future__ import annotations

import pytest

from presage_featurizer.event_log import partition_of
from presage_server.backfill.visitor_store import VisitorStore
from presage_server.forgetting import run as forgetting
from presage_server.store.keys import erasures_key
from support.archives import archive_once
from support.backfills import backfill
from support.events import STORY
from support.stores import opened
from tests.server.forgetting.test_forget import forget, live


@pytest.fixture
def lost(store, tmp_path):
    """A visitor whose events are archived and whose state the store has lost."""
    with opened(store):
        live(store, *STORY)
    archive_once(store, tmp_path)
    user_id = STORY[0].user_id
    store.redis.delete(*store.redis.keys("*:u:*"))
    return user_id


def test_a_state_is_restored_unless_the_visitor_is_erased_meanwhile(store, tmp_path, lost, monkeypatch):
    write = VisitorStore.write

    def write_after_an_erasure(self, *args, **named):
        monkeypatch.setattr(VisitorStore, "write", write)
        assert forget(store, lost, tmp_path).is_complete
        return self.write(*args, **named)

    monkeypatch.setattr(VisitorStore, "write", write_after_an_erasure)
    progress = backfill(store, tmp_path, rebuild=True)
    assert store.blob(lost) is None
    assert (progress.erased, progress.written, progress.is_complete) == (1, 0, False)
    again = backfill(store, tmp_path, rebuild=True)
    assert (again.visitors, again.is_complete) == (0, True)


def test_while_an_erasure_is_not_finished_its_partition_is_left_alone(store, tmp_path, lost, monkeypatch):
    def fail(*_args, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(forgetting, "hold_archive", fail)
        with pytest.raises(KeyboardInterrupt):
            forget(store, lost, tmp_path)
    assert lost.encode() not in b"".join(store.redis.hkeys(erasures_key(partition_of(lost))))
    progress = backfill(store, tmp_path, rebuild=True)
    assert (progress.erased, progress.is_complete, store.blob(lost)) == (1, False, None)
    forget(store, lost, tmp_path)
    assert backfill(store, tmp_path, rebuild=True).is_complete
