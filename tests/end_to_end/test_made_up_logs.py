"""Logs of unknown shops go from file to served model: ``inspect``, at most one edited line, ``train``, ``serve``, a score."""

from __future__ import annotations

import json
import shlex
from functools import partial

import pytest
from training.commands.running import run_here

import presage_client as client
from presage_featurizer import MICROS, Event
from presage_training.readers import SkippedRows, load_mapping, read_events
from support.made_up_logs import LOGS, shop_events
from support.running_server import server_process

TRAIN = ("--models", "lightgbm-classifier", "--draws", 100, "--decisions", "every-nth:2")


@pytest.fixture
def command(monkeypatch, capsys):
    """Run ``presage`` in this process."""
    return partial(run_here, monkeypatch, capsys)


def facts(events: list[Event]) -> set[tuple[int, str, int]]:
    """Return what every log keeps of an event; an order is a row, or a row for each line."""
    return {(int(event.type), event.user_id, event.event_time_unix_micros // MICROS) for event in events}


@pytest.mark.parametrize("log", LOGS, ids=[log.name for log in LOGS])
def test_from_file_to_score(command, tmp_path, log):
    path, mapping, run = tmp_path / log.name, tmp_path / "shop.toml", tmp_path / "run"
    rows = log.write(path, shop_events())
    inspected = command("inspect", path, "--to", mapping)
    assert (inspected.code, inspected.err) == (0, ""), inspected.out
    assert f"{rows:,} rows of" in inspected.out
    assert log.remark in inspected.out
    proposal = mapping.read_text()
    if log.edit:
        before, after = log.edit
        assert proposal.count(before) == 1, proposal
        mapping.write_text(proposal.replace(before, after))

    skipped = SkippedRows()
    events = list(read_events(path, load_mapping(mapping), skipped=skipped))
    assert skipped.total == 0, skipped.counts
    assert facts(events) == facts(shop_events())
    assert {event.order_id for event in events} == {event.order_id for event in shop_events()}

    trained = command("train", path, "--mapping", mapping, *TRAIN, "--to", run)
    assert (trained.code, trained.err) == (0, ""), trained.out
    [model] = [model for model in json.loads((run / "results.json").read_text())["models"] if model["kind"] == TRAIN[1]]
    assert model["metrics"]["roc_auc"]["value"] > 0.6
    served = trained.out.splitlines()[-1].removeprefix("next: presage serve ")
    with server_process(tmp_path / "server.log", *shlex.split(served), "--data-dir", str(tmp_path / "data")) as server:
        lamp = client.Item(item_id="lamp-7", category="home", price=39.9)
        with client.Client(server.address) as presage:
            presage.track(client.Event(type=client.EventType.VIEW_ITEM, user_id="ann", items=(lamp,)))
            looking = presage.score("ann")
            for event_type in (
                client.EventType.ADD_TO_CART,
                client.EventType.VIEW_CART,
                client.EventType.BEGIN_CHECKOUT,
            ):
                presage.track(client.Event(type=event_type, user_id="ann", items=(lamp,)))
            buying = presage.score("ann")
    assert looking.model == "lightgbm-classifier"
    assert 0.0 < looking.score < buying.score < 1.0
