"""What a server does of what it sees in its folder, one look at a time: real bundles and real verification, no thread."""

from __future__ import annotations

import gc
import math
import resource
import shutil
import sys
import weakref

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from presage_export.registry import ALIASES_FILE, Aliases, replace_aliases
from presage_server.errors import ModelError
from presage_server.models import known, swapping
from presage_server.models.applying import prepare
from presage_server.models.loading import load_models, plan_of
from presage_server.models.reload_metrics import ReloadMetrics
from presage_server.models.reloading import ApplyError, Reloader
from presage_server.models.swapping import Swapper, VersionFailedError
from presage_server.models.verifying import Verifier
from presage_server.models.watching import FolderWatch
from support.bundle_files import copy_bundle
from support.bundles import write_small_bundle
from support.running_server import GENEROUS_SECONDS


class Server:
    """Models that are served by nobody, so that a swap is done as soon as it is asked for."""

    def __init__(self, folder):
        self.folder = folder
        self.registry = CollectorRegistry()
        self.warmed_up = []
        self.cannot_run = ""
        metrics = ReloadMetrics()
        self.registry.register(metrics)
        self.verifier = Verifier(folder)
        self.reloader = Reloader(FolderWatch(folder), self.verifier, self.apply, metrics)
        self.reloader.look_first()
        self.models = load_models(folder)
        self.reloader.begin_with(plan_of(self.models))
        self.swapper = Swapper(
            self.models,
            folder,
            None,
            warm_up=self.warm_up,
            run_between_batches=lambda work: work(),
            keep_seconds=0.01,
        )

    def apply(self, plan):
        self.swapper.commit(prepare(self.swapper, plan))

    def warm_up(self, versions):
        for version in versions:
            if version.version == self.cannot_run:
                raise VersionFailedError(version.name, version.version, "it cannot run")
        self.warmed_up += [(version.name, version.version) for version in versions]

    def look(self, times=2):
        for _ in range(times):
            self.reloader.step()

    def promote(self, champion, **beside):
        folder = self.folder / "conversion"
        revision = self.models.served("conversion").aliases.revision
        aliases = Aliases(champion=champion, revision=revision, **beside)
        replace_aliases(folder, aliases, now_unix_micros=1, changed_by="me", reason="a test")

    def metric(self, series):
        (line,) = [line for line in generate_latest(self.registry).decode().splitlines() if line.startswith(series)]
        return float(line.rpartition(" ")[2])

    @property
    def version(self):
        return self.models["conversion"].version


@pytest.fixture
def server(models, tmp_path):
    made = Server(shutil.copytree(models, tmp_path / "models"))
    yield made
    made.verifier.close()


def add(server, version, name="conversion"):
    (source,) = [path for path in (server.folder / name).iterdir() if path.name in ("1", "2") and path.name != version][
        :1
    ]
    return copy_bundle(source, server.folder / name / version)


def test_a_new_version_takes_over_and_what_did_not_change_stays(server, caplog):
    caplog.set_level("INFO")
    old, other = server.models["conversion"], server.models["second"]
    add(server, "2")
    server.look()
    assert (server.version, server.warmed_up) == ("2", [("conversion", "2")])
    assert server.models["second"] is other, "what did not change stays the same object"
    assert server.models["conversion"].feature_set is old.feature_set, "its function need not be generated again"
    assert server.metric('presage_model_reloads_total{outcome="changed"}') == 1
    assert "model conversion: version 2 serves (before: 1)" in caplog.messages


def test_what_is_replaced_is_freed_though_the_collector_never_looks(server):
    add(server, "2")
    gc.disable()
    try:
        session = weakref.ref(server.models["conversion"].bundle.model._session)
        server.look()
        (timer,) = server.swapper._timers
        timer.join()
        assert session() is None
    finally:
        gc.enable()


def test_a_broken_version_changes_nothing_and_is_reported_once_until_it_is_replaced(server, caplog):
    path = add(server, "2")
    whole = (path / "model.onnx").read_bytes()
    (path / "model.onnx").write_bytes(whole[:-1])
    server.look(4)
    assert server.version == "1"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"model conversion: 2 is rejected, and changes nothing: {path}/model.onnx: expected SHA-256")
    assert server.models.problems["conversion"]["2"] in line
    assert server.metric('presage_model_rejected_total{model="conversion",reason="broken"}') == 1
    assert server.metric('presage_model_problem{model="conversion",model_version="2"}') == 1
    (path / "model.onnx").write_bytes(whole)
    server.look()
    assert (server.version, server.models.problems) == ("2", {})
    assert "presage_model_problem{" not in generate_latest(server.registry).decode()


def test_an_older_version_is_told_of_and_does_not_serve(server, caplog):
    add(server, "0.9")
    server.look(3)
    assert (server.version, server.models.problems) == ("1", {})
    (line,) = caplog.messages
    assert line.startswith("model conversion: version 0.9 is new in the folder, but older than version 1, which still")
    assert server.metric('presage_model_rejected_total{model="conversion",reason="older"}') == 1


def test_aliases_are_followed_and_a_version_that_was_there_all_along_is_verified_when_it_is_named(models, tmp_path):
    folder = shutil.copytree(models, tmp_path / "models")
    for version in ("2", "3"):
        copy_bundle(folder / "conversion" / "1", folder / "conversion" / version)
    (folder / "conversion" / "2" / "golden.npz").write_bytes(b"")
    server = Server(folder)
    assert server.version == "3"
    server.promote("1", challenger="3", challenger_share=0.5, shadow="2")
    server.look(1)
    served = server.models.served("conversion")
    assert [model.version for model in served.versions] == ["1", "3"]
    assert served.aliases == Aliases(champion="1", challenger="3", challenger_share=0.5, revision=1)
    assert "golden.npz" in server.models.problems["conversion"]["2"]
    server.promote("2")
    server.look(1)
    assert server.models.served("conversion") == served, "its champion is broken"


def test_a_challenger_that_was_rolled_back_stays_so_while_something_else_changes(server):
    """The guard drops it at once; the file of aliases follows when it can be written."""
    add(server, "2")
    server.promote("1", challenger="2", challenger_share=0.5)
    server.look(3)
    server.models.drop_challenger("conversion")
    dropped = server.models.served("conversion")
    (add(server, "3") / "model.onnx").write_bytes(b"")
    server.look(3)
    assert server.models.served("conversion") is dropped
    assert server.models.problems["conversion"].keys() == {"3"}


def test_a_swap_that_the_serving_thread_does_not_come_to_is_given_up(server, monkeypatch):
    monkeypatch.setattr(swapping, "_COMMIT_SECONDS", 0.01)
    waiting = []
    monkeypatch.setattr(server.swapper, "_run_between_batches", waiting.append)
    add(server, "2")
    prepared = server.swapper.prepare(plan_of(load_models(server.folder)))
    with pytest.raises(TimeoutError):
        server.swapper.commit(prepared)
    (work,) = waiting
    work()
    assert server.version == "1"


@pytest.mark.parametrize("is_waiting", [True, False], ids=["that waits", "that begins"])
def test_a_swap_ends_with_the_server_at_once(server, monkeypatch, is_waiting):
    """Its ten seconds would be the server's: no thread is left that could do it."""
    add(server, "2")
    prepared = server.swapper.prepare(plan_of(load_models(server.folder)))
    monkeypatch.setattr(swapping, "_COMMIT_SECONDS", GENEROUS_SECONDS)
    waiting = []
    if is_waiting:
        monkeypatch.setattr(
            server.swapper, "_run_between_batches", lambda work: (waiting.append(work), server.swapper.give_up())
        )
    else:
        monkeypatch.setattr(server.swapper, "_run_between_batches", waiting.append)
        server.swapper.give_up()
    with pytest.raises(TimeoutError, match="the thread that serves is ending"):
        server.swapper.commit(prepared)
    (work,) = waiting
    work()
    assert server.version == "1"


def test_aliases_that_are_not_valid_change_nothing_and_are_reported(server):
    add(server, "2")
    server.promote("1")
    server.look(3)
    (server.folder / "conversion" / ALIASES_FILE).write_text('{"champion": "1", "challenger_share": 2}')
    server.look(3)
    assert server.version == "1"
    assert "challenger_share: expected 0 to 1, got 2" in server.models.problems["conversion"][ALIASES_FILE]


def test_a_version_is_replaced_in_place_if_it_is_sound(server):
    path = server.folder / "conversion" / "1"
    before = server.models["conversion"]
    shutil.rmtree(path)
    write_small_bundle(server.folder, seed=7)
    server.look(3)
    after = server.models["conversion"]
    assert (after.version, after is before) == ("1", False)
    (path / "model.onnx").write_bytes(b"")
    server.look(3)
    assert server.models["conversion"] is after
    assert "model.onnx" in server.models.problems["conversion"]["1"]


def test_a_new_model_is_served_beside_the_others(server):
    copy_bundle(server.folder / "conversion" / "1", server.folder / "third" / "1")
    server.look(3)
    assert server.models["third"].version == "1"


def test_a_version_that_cannot_run_here_is_rejected_and_the_next_best_one_serves(server):
    for version in ("2", "3"):
        add(server, version)
    server.cannot_run = "3"
    server.look(3)
    assert server.version == "2"
    assert server.models.problems == {"conversion": {"3": "it cannot run"}}
    assert server.metric('presage_model_reloads_total{outcome="failed"}') == 1


def test_a_change_that_nobody_can_make_now_is_tried_again_later(server, monkeypatch, caplog):
    add(server, "2")
    tries, apply = [], server.reloader._apply

    def fail(plan):
        tries.append(plan)
        raise ApplyError("a worker hangs")

    monkeypatch.setattr(server.reloader, "_apply", fail)
    server.look(5)
    assert (len(tries), server.version) == (1, "1")
    assert caplog.messages == ["the models stay as they are, and the change is tried again in 5 s: a worker hangs"]
    monkeypatch.setattr(server.reloader, "_apply", apply)
    monkeypatch.setattr(server.reloader._backoff, "_until", 0.0)
    server.look(1)
    assert server.version == "2"


@pytest.mark.skipif(sys.platform != "linux", reason="limits what another process may open")
def test_a_version_that_could_not_be_read_for_now_serves_when_it_can_be(server, caplog, monkeypatch):
    """The files stay what they are all along: only the process that verifies may open none for a while."""
    server.verifier.open()
    server.verifier.verify([("second", "2")])
    process = server.verifier._process.pid
    limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (3, limits[1]))
    add(server, "2")
    server.look(5)
    assert server.version == "1"
    (line,) = caplog.messages
    assert line.startswith("model conversion: 2 is tried again later, and changes nothing: ")
    assert line.endswith("/conversion/2/manifest.json: cannot be read: Too many open files")
    assert server.models.problems["conversion"]["2"] in line
    assert server.metric('presage_model_rejected_total{model="conversion",reason="unreadable"}') == 1
    assert server.metric('presage_model_problem{model="conversion",model_version="2"}') == 1
    resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
    server.look(2)
    assert server.version == "1", "it is not read at every look"
    monkeypatch.setattr(known, "monotonic", lambda: math.inf)
    server.look(1)
    assert (server.version, server.models.problems) == ("2", {})


def test_a_version_is_read_again_less_and_less_often(monkeypatch):
    now = 100.0
    monkeypatch.setattr(known, "monotonic", lambda: now)
    backoff, waits = known.Backoff(), []
    assert backoff.is_over
    for _ in range(8):
        waits.append(backoff.extend())
        now += waits[-1] - 0.1
        assert not backoff.is_over
        now += 0.2
        assert backoff.is_over
    assert waits == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert backoff.extend(300.0) == 3_000.0, "what takes so long keeps other models from being followed"


def test_a_version_that_the_serving_process_cannot_read_for_now_is_not_broken(server, monkeypatch, caplog):
    add(server, "2")
    server.look(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_versions = swapping.open_versions

    def open_without_descriptors(*args):
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            return open_versions(*args)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    monkeypatch.setattr(swapping, "open_versions", open_without_descriptors)
    server.look(2)
    assert (server.version, server.models.problems) == ("1", {})
    (line,) = caplog.messages
    assert line.startswith("the models stay as they are, and the change is tried again in 5 s: conversion 2: ")
    assert line.endswith("manifest.json: cannot be read: Too many open files")
    monkeypatch.setattr(swapping, "open_versions", open_versions)
    monkeypatch.setattr(server.reloader._backoff, "_until", 0.0)
    server.look(1)
    assert server.version == "2"


def test_a_folder_that_is_gone_changes_nothing(server):
    server.folder.rename(server.folder.with_name("elsewhere"))
    server.look(1)
    with pytest.raises(ModelError, match="no bundle found"):
        server.look(2)
    server.folder.with_name("elsewhere").rename(server.folder)
    before = server.models["conversion"]
    server.look(3)
    assert (server.models["conversion"] is before, server.models.problems) == (True, {})


def test_the_choice_at_start_is_that_of_loading(models):
    first = Reloader(FolderWatch(models), Verifier(models), lambda _: None, ReloadMetrics())
    assert first.choose_first() == plan_of(load_models(models))
