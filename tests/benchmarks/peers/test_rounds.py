"""Peers that are programs of a few lines: started, asked, stopped, and left out when they fail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import rounds
from benchmarks.peers.calling import WrongAnswerError, check
from benchmarks.peers.generator import GeneratorError, Measured, load, write_bodies
from benchmarks.peers.json_calls import json_case
from benchmarks.peers.peer import Peer, Task
from benchmarks.peers.rounds import Key, measure
from benchmarks.peers.running import PeerStartError, _holders, running
from benchmarks.peers.store import Store
from benchmarks.rig.build import build_program
from benchmarks.rig.command import MissingRequirementError

SERVER = Path(__file__).parents[2] / "support" / "json_server.py"
STORE = Store("unix:///nowhere", 1)
ECHO = json_case(Task.VECTOR, "/vectors", lambda sample: sample.scores.tolist(), lambda answer: answer)
"""The scores are sent, so that a server that sends back what it got is right."""


def peer(name, *script, cases=(ECHO,), start_seconds=20.0, prepare=None, prepared_as=""):
    return Peer(
        # By the beginning of the name it runs in this interpreter, without an environment of its own.
        name=f"presage_{name}",
        what=name,
        folder=Path(__file__).parent,
        command=lambda site: (str(site.python), *(script or (str(SERVER), str(site.port)))),
        cases=cases,
        start_seconds=start_seconds,
        prepare=prepare and (lambda _site: (sys.executable, "-c", prepare)),
        prepared_as=prepared_as,
    )


@pytest.fixture
def loads(monkeypatch):
    """Loads are noted and not made; the generator is tested by itself."""
    noted = []

    def note(case, port, bodies, *, in_flight, seconds, cpu_seconds):
        assert bodies.stat().st_size > 0
        assert cpu_seconds() > 0
        noted.append((case.task, in_flight, seconds))
        return Measured(in_flight=in_flight, per_second=1.0 * port, p50_us=1.0, p99_us=1.0, server_cpu_us=1.0, errors=0)

    monkeypatch.setattr(rounds, "load", note)
    return noted


@pytest.fixture
def site(dataset, tmp_path):
    return rounds._site(peer("echo"), STORE, tmp_path)


@pytest.fixture
def samples(dataset):
    return {task: next(dataset.samples(task.visitors, 1)) for task in Task if task is not Task.RANK}


def test_every_peer_is_measured_in_every_round(dataset, loads):
    outcome = measure([peer("a"), peer("b")], dataset, STORE, 2, 0.5, (1, 16))

    assert outcome.failures == {}
    assert list(outcome.measured) == [Key(Task.VECTOR, f"presage_{name}", "") for name in "ab"]
    assert all([one.in_flight for one in some] == [1, 16, 1, 16] for some in outcome.measured.values())
    assert loads == [(Task.VECTOR, number, 0.5) for _ in range(4) for number in (1, 16)]


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        (peer("ends", "-c", "raise SystemExit('no such model')"), "ended with code 1\nno such model"),
        (peer("silent", "-c", "import time; time.sleep(60)", start_seconds=0.5), "does not answer: "),
        (peer("unprepared", prepare="raise SystemExit('store refused')"), "its preparation failed:\nstore refused"),
        (peer("absent", cases=(ECHO,), prepare="import no_such_module"), "No module named 'no_such_module'"),
    ],
    ids=lambda value: value.what if isinstance(value, Peer) else "",
)
def test_a_peer_that_fails_is_left_out_and_the_others_are_measured(failing, reason, dataset, loads):
    outcome = measure([failing, peer("well")], dataset, STORE, 2, 0.5, (1,))

    assert outcome.failures.keys() == {failing.name}
    assert outcome.failures[failing.name].startswith("round 1: ")
    assert reason in outcome.failures[failing.name]
    assert [(key.peer, len(some)) for key, some in outcome.measured.items()] == [("presage_well", 2)]


def test_a_peer_that_breaks_under_load_keeps_what_was_measured_before(dataset, loads, monkeypatch):
    note = rounds.load

    def break_at_16(*arguments, in_flight, **options):
        if in_flight == 16:
            raise GeneratorError("the server closed the connection")
        return note(*arguments, in_flight=in_flight, **options)

    monkeypatch.setattr(rounds, "load", break_at_16)
    outcome = measure([peer("fragile")], dataset, STORE, 3, 0.5, (1, 16))

    assert outcome.failures == {"presage_fragile": "round 1: the server closed the connection"}
    assert [[one.in_flight for one in some] for some in outcome.measured.values()] == [[1]]


def test_a_shared_preparation_is_made_once(dataset, loads, tmp_path):
    note = tmp_path / "note"
    script = f"open({str(note)!r}, 'a').write('x')"
    peers = [peer(name, prepare=script, prepared_as="both") for name in "ab"]
    outcome = measure(peers, dataset, STORE, 2, 0.5, (1,))

    assert len(outcome.measured) == 2
    assert note.read_text() == "x"


@pytest.mark.parametrize(
    ("answer", "message"),
    [("[0.5, 0.25]", "expected 1 numbers, got 2"), ("[0.123]", "expected .* at 0, got"), ('{"a', "cannot be read")],
)
def test_an_answer_that_is_not_right_is_not_timed(answer, message, dataset, loads):
    wrong = Peer(
        name="presage_wrong",
        what="wrong",
        folder=Path(__file__).parent,
        command=lambda site: (str(site.python), str(SERVER), str(site.port), answer),
        cases=(ECHO,),
    )
    outcome = measure([wrong], dataset, STORE, 1, 0.5, (1,))

    (reason,) = outcome.failures.values()
    assert re.search(message, reason)
    assert loads == []


def test_a_difference_within_the_tolerance_is_none(site, dataset, samples):
    close = json_case(Task.VECTOR, "/", lambda sample: (sample.scores + 5e-6).tolist(), lambda answer: answer)
    far = json_case(Task.VECTOR, "/", lambda sample: (sample.scores + 5e-5).tolist(), lambda answer: answer)
    with running(peer("echo"), site, samples):
        check(close, site.port, [samples[Task.VECTOR]])
        with pytest.raises(WrongAnswerError):
            check(far, site.port, [samples[Task.VECTOR]])


def test_daemons_in_sessions_of_their_own_are_stopped_too(site, samples):
    start = f"""
import runpy, subprocess, sys
daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open("daemon", "w").write(str(daemon.pid))
sys.argv = ["json_server.py", "{site.port}"]
runpy.run_path({str(SERVER)!r}, run_name="__main__")
"""
    with running(peer("daemon", "-c", start), site, samples):
        pid = int((site.folder / "daemon").read_text())
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        (token,) = [word.decode() for word in variables if word.startswith(b"PEER_RUN=")]
        assert len(_holders(token)) == 2
    assert _holders(token) == []


def test_a_server_knows_where_everything_is_and_tells_nobody(site, samples):
    script = "import json, os; json.dump(dict(os.environ), open('environment', 'w'))"
    with pytest.raises(PeerStartError), running(peer("told", "-c", script), site, samples):
        pass
    told = json.loads((site.folder / "environment").read_text())

    assert told["PEER_PORT"] == str(site.port)
    assert told["PEER_REDIS_URL"] == STORE.url
    assert Path(told["PEER_MODEL"]).exists()
    assert Path(told["PEER_ORIGINAL"]).exists()
    assert told["DO_NOT_TRACK"] == "1"


def test_the_generator_rotates_bodies_over_http_1_and_counts_what_is_not_200(site, samples, tmp_path):
    try:
        build_program("load")
    except MissingRequirementError as error:
        pytest.skip(str(error))
    bodies = tmp_path / "bodies"
    write_bodies([b"[1]", b"503", b"[22]", b"[333]"], bodies)
    with running(peer("echo"), site, samples) as cpu_seconds:
        result = load(ECHO, site.port, bodies, in_flight=3, seconds=0.3, cpu_seconds=cpu_seconds)

    assert result.in_flight == 3
    assert result.per_second > 0
    assert 0 < result.p50_us <= result.p99_us
    assert result.server_cpu_us > 0
    calls = result.errors + result.per_second * 0.3
    assert result.errors == pytest.approx(calls / 4, abs=3)


def test_a_server_that_closes_connections_is_a_failure_of_the_load(tmp_path):
    try:
        build_program("load")
    except MissingRequirementError as error:
        pytest.skip(str(error))
    bodies = tmp_path / "bodies"
    write_bodies([b"[1]"], bodies)
    closing = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
        "s.accept()[0].close(); s.accept()"
    )
    with subprocess.Popen([sys.executable, "-c", closing], stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())
        with pytest.raises(GeneratorError, match="/vectors, 1 in flight: load: the server closed the connection"):
            load(ECHO, port, bodies, in_flight=1, seconds=0.1, cpu_seconds=lambda: 0.0)
        process.kill()
