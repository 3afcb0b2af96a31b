from __future__ import annotations

import pytest

from benchmarks import replay_speed
from benchmarks.naive_pandas import naive_rows
from benchmarks.replay_speed import LOG, NTH, main, replayed, replayed_rows, write_repeated
from presage_training.readers import LogFormat, SkippedRows, read_events

needs_the_log = pytest.mark.skipif(not LOG.exists(), reason=f"the real log is not at {LOG}")


def events_of(path):
    return list(read_events(path, LogFormat.REES46, skipped=SkippedRows()))


@needs_the_log
def test_the_log_is_repeated_later_with_new_sessions(tmp_path):
    write_repeated(tmp_path / "log.parquet", 40_000)
    once, repeated = events_of(LOG), events_of(tmp_path / "log.parquet")
    first, second = repeated[: len(once)], repeated[len(once) : 2 * len(once)]

    assert len(repeated) == 40_000
    for part in (first, second):
        assert [event.items for event in part] == [event.items for event in once]
    times = [event.event_time_unix_micros for event in repeated]
    assert times == sorted(times)
    assert first[-1].event_time_unix_micros < second[0].event_time_unix_micros
    assert [event.user_id for event in first] == [event.user_id for event in second]
    assert not {event.session_id for event in first} & {event.session_id for event in second}
    assert len({event.session_id for event in second}) == len({event.session_id for event in once})


@needs_the_log
def test_progress_ends_with_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(replay_speed, "_BATCH_EVENTS", 2_000)
    write_repeated(tmp_path / "log.parquet", 5_000)
    steps = list(replayed(tmp_path / "log.parquet"))

    assert [step.events for step in steps] == [2_000, 4_000, 5_000]
    assert steps[-1].rows == 5_000 // NTH == len(replayed_rows(events_of(tmp_path / "log.parquet")))
    assert steps[-1].row_bytes > 0


@needs_the_log
def test_pandas_gets_the_same_rows():
    ours = replayed_rows(events_of(LOG)).features
    assert (naive_rows(LOG, NTH) == ours).all(axis=1).sum() >= len(ours) - 3


def test_a_missing_log_is_said_and_is_no_failure(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(replay_speed, "LOG", tmp_path / "gone.parquet")

    assert main([]) == 0
    assert "nothing measured, because gone.parquet is not at" in capsys.readouterr().out
