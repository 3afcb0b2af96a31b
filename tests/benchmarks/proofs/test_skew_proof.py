from __future__ import annotations

import msgspec
import pytest

from benchmarks.proofs import skew_proof
from benchmarks.proofs.skew_proof import LOGS, Proof, compare, main
from presage_client import Client
from presage_featurizer import EventType
from presage_training.traffic.sending import client_event
from support.events import event, fold_all
from support.running_server import server_process

FINE = Proof(
    summary="",
    seconds=2.0,
    events=10,
    skipped=1,
    logged=10,
    visitors=3,
    stored=3,
    vectors=6,
    differing=(),
    state_bytes=(100.0, 200.0),
)


def views(user_id, count):
    """So many product views of one visitor, a minute apart."""
    return [msgspec.structs.replace(event(EventType.VIEW_ITEM, minutes), user_id=user_id) for minutes in range(count)]


def test_it_names_the_visitors_who_differ(store, models, tmp_path):
    states = {
        "same": fold_all(views("same", 3)),
        "more": fold_all(views("more", 3)),
        "none": fold_all(views("none", 1)),
    }
    flags = ("--redis-url", store.url, "--models", str(models))
    with server_process(tmp_path / "log", *flags) as server:
        with Client(server.address) as client:
            client.track_many(map(client_event, [*views("same", 3), *views("more", 4)]))

        assert compare(store.redis, server.address, states) == ("more", "none")


@pytest.mark.parametrize(
    ("change", "holds"),
    [({}, True), ({"logged": 9}, False), ({"stored": 4}, False), ({"differing": ("a visitor",)}, False)],
)
def test_it_holds_if_nothing_is_missing_and_nothing_differs(change, holds, monkeypatch, tmp_path, capsys):
    proof = Proof(**({name: getattr(FINE, name) for name in Proof.__slots__} | change))
    for name in LOGS:
        (tmp_path / name).touch()
    monkeypatch.setattr(skew_proof, "DATA", tmp_path)
    monkeypatch.setattr(skew_proof, "prove", lambda *_: proof)

    assert proof.holds == holds
    assert main() == (0 if holds else 1)
    printed = capsys.readouterr().out
    assert ("NO" not in printed) == holds
    assert all(visitor in printed for visitor in proof.differing)


def test_it_says_so_where_the_logs_are_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(skew_proof, "DATA", tmp_path)

    assert main() == 0
    assert "nothing compared" in capsys.readouterr().out
