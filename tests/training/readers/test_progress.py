from __future__ import annotations

import gzip
import os
import threading

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from presage_training.datasets.dataset import parse_feature_set
from presage_training.datasets.targets import parse_target
from presage_training.experiment import LogFile
from presage_training.experiment.logs import PredictionTask, ReadProgress, read_dataset
from presage_training.readers import LogFormat, SkippedRows, load_mapping, read_events, write_presage_log
from presage_training.replaying.decisions import parse_decisions
from presage_training.simulator import simulate

ROWS = 60_000
MAPPING = """
columns = { user_id = "who", event_type = "what", event_time = "at" }
event_time = { unit = "s" }
"""


@pytest.fixture(params=["csv", "csv.gz", "parquet", "jsonl", "jsonl.gz"])
def log(request, tmp_path):
    """A log of many rows, in each kind of file whose length is known."""
    path = tmp_path / f"clicks.{request.param}"
    times = list(range(1_700_000_000, 1_700_000_000 + ROWS))
    whose = [f"visitor {number % 977} of {number}" for number in range(ROWS)]
    table = pa.table({"who": whose, "what": ["VIEW_ITEM"] * ROWS, "at": times})
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif "jsonl" in path.name:
        text = "".join(
            f'{{"who": "{who}", "what": "VIEW_ITEM", "at": {at}}}\n' for who, at in zip(whose, times, strict=True)
        )
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    else:
        sink = pa.BufferOutputStream()
        csv.write_csv(table, sink)
        data = sink.getvalue().to_pybytes()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def shares(path, source):
    """What is told while a log is read."""
    progress = ReadProgress()
    told = [progress.share for _ in read_events(path, source, skipped=SkippedRows(), progress=progress)]
    return told, progress.share


def test_the_share_grows_with_the_events_and_ends_with_all(log, tmp_path):
    (tmp_path / "clicks.toml").write_text(MAPPING)
    told, end = shares(log, load_mapping(tmp_path / "clicks.toml"))

    assert len(told) == ROWS
    assert told == sorted(told)
    assert end == 1.0
    middle = told[ROWS // 2]
    assert 0.1 < middle < 0.9


@pytest.mark.parametrize("name", ["shop.jsonl", "shop.jsonl.gz"])
def test_our_own_log_tells_too(tmp_path, name):
    events = simulate(seed=3, visitors=400, start_unix_micros=1_735_689_600_000_000)
    write_presage_log(tmp_path / name, events)
    told, end = shares(tmp_path / name, LogFormat.PRESAGE)

    assert told == sorted(told)
    assert 0.1 < told[len(told) // 2] < 0.9
    assert end == 1.0


def test_of_a_pipe_the_length_is_not_known(tmp_path):
    pipe = tmp_path / "shop.jsonl"
    os.mkfifo(pipe)
    line = b'{"type": "LOGIN", "user_id": "u", "event_time_unix_micros": 1}\n'
    writer = threading.Thread(target=lambda: pipe.write_bytes(line * 3_000))
    writer.start()
    told, end = shares(pipe, LogFormat.PRESAGE)
    writer.join()

    assert len(told) == 3_000
    assert end == 0.0


def test_training_tells_the_share_while_it_reads(tmp_path):
    events = simulate(seed=3, visitors=3_000, start_unix_micros=1_735_689_600_000_000)
    write_presage_log(tmp_path / "shop.jsonl", events)
    said: list[str] = []
    task = PredictionTask(
        target=parse_target("purchase-in-session"),
        decisions=parse_decisions("every-nth:50"),
        feature_set=parse_feature_set("conversion"),
    )
    read_dataset(
        LogFile.of(tmp_path / "shop.jsonl", LogFormat.PRESAGE, None),
        task,
        skipped=SkippedRows(),
        on_progress=said.append,
    )

    assert said[0] == "replaying, 0 events so far"
    assert said[1].startswith("replaying, 20,000 events so far, ")
    assert said[1].endswith("% of the log")
