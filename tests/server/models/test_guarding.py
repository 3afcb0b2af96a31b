"""The guard: what a challenger must not do, and what happens to one that does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Barrier, Thread

import msgspec
import numpy as np
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_export.registry import (
    Aliases,
    RollbackRules,
    StaleAliasesError,
    read_aliases,
    read_changes,
    replace_aliases,
)
from presage_server.models import rolling_back
from presage_server.models.guarding import Guard, Rollback
from presage_server.models.model import Model
from presage_server.models.rolling_back import Rollbacks, write_rollback
from presage_server.models.served import Models
from presage_server.telemetry.counting import Counters
from presage_server.telemetry.versions import VersionMetrics
from support.pipelines import LocalCall, local_pipeline
from support.stores import opened
from support.versions import serve_versions, write_versions

SPLIT = {"challenger": "2", "challenger_share": 0.3, "salt": "spring", "pairs_share": 0.5}
RULES = RollbackRules(window_seconds=10.0, min_scores=100)
QUICK, SLOW = 0.0001, 0.001


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict[str, Model]:
    return write_versions(tmp_path_factory.mktemp("versions"))


class Watched:
    """A guard, and what is counted of the two versions that it watches."""

    def __init__(self, loaded: dict[str, Model], rules: RollbackRules) -> None:
        self.models: Models = serve_versions(loaded, rollback=rules, **SPLIT)
        self.versions = VersionMetrics()
        self.rollbacks: list[Rollback] = []
        self.guard = Guard(self.models, self.versions, self.rollbacks.append)
        self.now = 1_000.0
        self.champion, self.challenger = loaded["1"], loaded["2"]

    def count(self, version: Model, scores: int = 0, errors: int = 0, *, seconds: float = QUICK) -> None:
        """Count scores that callers got, each in a run of its own."""
        of_arm = self.versions.of_arm(version, 1 if version is self.champion else 2)
        of_arm.scores += scores
        of_arm.errors += errors
        for _ in range(scores):
            self.versions.of(version).observe_run(seconds, 1)

    def pair(self, pairs: int, *, shift: float = 0.0, defaults: int = 0) -> None:
        """Count visitors that both versions have scored, with 20 features each."""
        for version in (self.champion, self.challenger):
            counts = self.versions.of(version)
            counts.paired += pairs
            counts.paired_features += 20 * pairs
            counts.paired_score_sum += pairs * 0.2
        counts.paired_score_sum += pairs * shift
        counts.paired_defaults += pairs * defaults

    def look(self, seconds: float = 1.0) -> str:
        """Look after some time; return the reason of the rollback, empty without one."""
        self.now += seconds
        self.guard.look(self.now)
        return self.rollbacks[-1].reason if self.rollbacks else ""


@pytest.fixture
def watched(loaded) -> Watched:
    made = Watched(loaded, RULES)
    made.look()
    return made


def test_an_equal_challenger_stays_in_sixty_looks(watched):
    for look in range(60):
        watched.count(watched.champion, 500, errors=2, seconds=SLOW if look % 7 == 3 else QUICK)
        watched.count(watched.challenger, 200, errors=1, seconds=SLOW if look % 7 == 3 else QUICK)
        watched.pair(200, shift=0.05, defaults=1)
        assert watched.look() == ""
    assert watched.models.served("").challenger is watched.challenger


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (
            lambda it: it.count(it.challenger, 120, errors=10),
            "10 of 130 scores failed (7.7%), and 0.0% of the champion's",
        ),
        (lambda it: it.count(it.challenger, 200, seconds=SLOW), "200 of 200 runs took longer than 0.3"),
        (
            lambda it: it.pair(150, defaults=4),
            "20.0% of the features are at their defaults, and 0.0% of the champion's",
        ),
        (lambda it: it.pair(150, shift=0.15), "the mean score is 0.3500, and 0.2000 by the champion, of the same 150"),
        (lambda it: it.pair(150, shift=-0.15), "the mean score is 0.0500, and 0.2000 by the champion, of the same 150"),
    ],
    ids=["errors", "latency", "defaults", "higher", "lower"],
)
def test_a_broken_rule_drops_the_challenger_at_the_next_look(watched, caplog, harm, words):
    watched.count(watched.champion, 500)
    assert watched.look() == ""
    harm(watched)

    assert words in watched.look()
    (rollback,) = watched.rollbacks
    assert rollback.reason.startswith("version 2 beside version 1: ")
    assert rollback.reason.endswith(" s")
    assert (rollback.model, rollback.aliases.challenger) == ("conversion", "2")
    served = watched.models.served("")
    assert (served.challenger, served.aliases.challenger_share) == (None, 0.0)
    assert {watched.models.route("", f"visitor-{number}").model for number in range(100)} == {watched.champion}
    assert caplog.messages == [f"model conversion: the challenger is rolled back: {rollback.reason}"]
    assert watched.look() == rollback.reason
    assert len(watched.rollbacks) == 1


def test_trouble_that_the_champion_has_too_is_not_the_challengers(watched):
    for version in (watched.champion, watched.challenger):
        watched.count(version, 200, errors=50, seconds=SLOW)

    assert watched.look() == ""


def test_errors_that_an_equal_challenger_has_by_chance_do_not_drop_it(watched):
    """Half an hour of looks, at which both have one error in 200 scores on average."""
    rng = np.random.default_rng(11)
    for _ in range(1_800):
        watched.count(watched.champion, 90, errors=rng.binomial(90, 0.005))
        watched.count(watched.challenger, 40, errors=rng.binomial(40, 0.005))
        assert watched.look() == ""


def test_few_scores_decide_nothing(watched):
    watched.count(watched.champion, 500)
    watched.count(watched.challenger, 40, errors=40)
    watched.pair(99, shift=0.9)

    assert watched.look() == ""


def test_a_window_forgets_what_was_before_it(watched):
    watched.count(watched.challenger, 50, errors=40)
    assert watched.look() == ""
    for _ in range(11):
        watched.look()
    watched.count(watched.challenger, 90, errors=0)

    assert watched.look() == ""


def test_a_pause_of_the_process_is_not_the_models(watched):
    watched.count(watched.champion, 1_000)
    watched.count(watched.challenger, 200)
    watched.count(watched.challenger, 4, seconds=0.5)

    assert watched.look() == ""


def test_runs_of_many_rows_are_compared_with_runs_of_many_rows(watched):
    for _ in range(200):
        watched.versions.of(watched.champion).observe_run(QUICK, 1)
        watched.versions.of(watched.champion).observe_run(SLOW, 32)
        watched.versions.of(watched.challenger).observe_run(SLOW, 32)
    watched.count(watched.challenger, 200)

    assert watched.look() == ""


def test_another_share_of_the_same_versions_goes_on_in_the_same_window(watched, loaded):
    watched.count(watched.champion, 500)
    watched.count(watched.challenger, 60, errors=20)
    larger = serve_versions(loaded, rollback=RULES, **SPLIT | {"challenger_share": 0.6})
    watched.models.replace(larger._models, {}, {})
    assert watched.look() == ""
    watched.count(watched.challenger, 30, errors=5)

    assert "25 of 115 scores failed" in watched.look()
    assert watched.rollbacks[0].aliases.challenger_share == 0.6


def test_a_challenger_that_is_replaced_begins_again(watched, loaded):
    watched.count(watched.challenger, 60, errors=60)
    other = serve_versions(loaded, rollback=RULES, **SPLIT | {"challenger": "3"})
    watched.models.replace(other._models, {}, {})
    assert watched.look() == ""
    watched.count(loaded["3"], 120, errors=0)

    assert watched.look() == ""
    assert watched.models.served("").challenger is loaded["3"]


def test_looks_cost_nothing_between_their_times(watched, monkeypatch):
    watched.look()
    monkeypatch.setattr(VersionMetrics, "count_served", lambda *_: pytest.fail("looked"))
    watched.look(0.001)


def test_a_challenger_that_fails_is_dropped_while_calls_go_on(store, loaded, monkeypatch):
    predict = Model.predict

    def fails(model, rows):
        if model.version == "2":
            raise RuntimeError("broken")
        return predict(model, rows)

    monkeypatch.setattr(Model, "predict", fails)
    rules = RollbackRules(window_seconds=0.5, min_scores=20)
    models = serve_versions(loaded, rollback=rules, **SPLIT)
    with opened(store) as view, local_pipeline(view, models) as server:
        calls = []
        for number in range(2_000):
            calls.append(LocalCall(pb.ScoreRequest(user_id=f"u{number}")))
            server.run(calls[-1])
            if server.rollbacks:
                break
        after = [LocalCall(pb.ScoreRequest(user_id=f"u{number}")) for number in range(200)]
        server.run(*after)
        server.settle()
    assert len(server.rollbacks) == 1
    assert {call.outcome for call in calls} == {"OK", "INTERNAL"}
    assert {call.outcome for call in after} == {"OK"}
    assert {call.response.prediction.model_version for call in after} == {"1"}


@pytest.fixture
def folder(tmp_path) -> Path:
    """The folder of a model whose aliases name a challenger."""
    made = tmp_path / "conversion"
    made.mkdir()
    write(made, Aliases(champion="1", **SPLIT))
    return made


def write(folder: Path, aliases: Aliases) -> Aliases:
    return replace_aliases(folder, aliases, now_unix_micros=1, changed_by="ann", reason="a try")


def rollback_of(aliases: Aliases) -> Rollback:
    return Rollback("conversion", aliases, "too slow")


def test_a_rollback_lasts_and_says_who_and_why(folder):
    before = read_aliases(folder)

    assert write_rollback(folder, rollback_of(before), 7)
    after = read_aliases(folder)
    assert after == msgspec.structs.replace(before, challenger="", challenger_share=0.0, revision=2)
    change = list(read_changes(folder))[-1]
    assert (change.changed_by, change.reason, change.changed_at_unix_micros) == ("guard", "too slow", 7)


def test_whatever_else_was_changed_meanwhile_stays(folder):
    before = read_aliases(folder)
    changed = write(folder, msgspec.structs.replace(before, challenger_share=0.6, holdout_share=0.1))

    assert write_rollback(folder, rollback_of(before), 7)
    assert read_aliases(folder) == msgspec.structs.replace(changed, challenger="", challenger_share=0.0, revision=3)


@pytest.mark.parametrize(
    "change", [{"challenger": "3"}, {"salt": "summer"}, {"challenger": "", "challenger_share": 0.0}]
)
def test_another_experiment_is_left_alone(folder, change):
    before = read_aliases(folder)
    changed = write(folder, msgspec.structs.replace(before, **change))

    assert not write_rollback(folder, rollback_of(before), 7)
    assert read_aliases(folder) == changed


def test_of_many_workers_one_is_first(folder):
    before, barrier = read_aliases(folder), Barrier(6)
    written: list[bool] = []

    def roll_back() -> None:
        barrier.wait()
        written.append(write_rollback(folder, rollback_of(before), 7))

    threads = [Thread(target=roll_back) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == [False] * 5 + [True]
    assert [change.changed_by for change in read_changes(folder)] == ["ann", "guard"]


def test_a_rollback_that_others_are_always_faster_than_is_not_taken_for_written(folder, monkeypatch):
    def be_late(*_args: object, **_named: object) -> None:
        raise StaleAliasesError("the aliases have changed")

    monkeypatch.setattr(rolling_back, "replace_aliases", be_late)
    with pytest.raises(StaleAliasesError):
        write_rollback(folder, rollback_of(read_aliases(folder)), 7)


class Written:
    """Rollbacks that are written to a folder, and what is counted of them."""

    def __init__(self, folder: Path) -> None:
        self.counts = {name: Counters(name, "", ("model",)) for name in ("written", "not_written")}
        self.held: list[Rollback] = []
        self._rollbacks = Rollbacks(
            folder.parent, asyncio.get_running_loop(), lambda: 7, **self.counts, hold=self.held.append
        )

    async def start(self, rollback: Rollback) -> None:
        await asyncio.to_thread(self._rollbacks.start, rollback)
        await asyncio.sleep(0)
        await self._rollbacks.finish()

    def count(self, name: str) -> float:
        return self.counts[name]["conversion",].value


async def test_rollbacks_are_written_from_another_thread_and_counted(folder):
    written = Written(folder)
    await written.start(rollback_of(read_aliases(folder)))

    assert read_aliases(folder).challenger == ""
    assert (written.count("written"), written.count("not_written"), written.held) == (1, 0, [])


async def test_a_folder_that_cannot_be_written_is_one_line_and_counted(folder, caplog):
    rollback, written = rollback_of(read_aliases(folder)), Written(folder)
    (folder / ".aliases.lock").unlink()
    (folder / ".aliases.lock").mkdir()  # which root, too, cannot open to write
    await written.start(rollback)

    (line,) = caplog.messages
    assert line.startswith("model conversion: the rollback holds in this process only, until it is started again: ")
    assert (written.count("written"), written.count("not_written"), written.held) == (0, 1, [rollback])


def test_a_rollback_that_could_not_be_written_holds_whatever_else_is_changed(loaded):
    models = serve_versions(loaded, rollback=RULES, **SPLIT)
    models.drop_challenger("conversion")
    models.hold_rollback("conversion", Aliases(champion="1", **SPLIT))
    for changes in ({}, {"shadow": "3"}, {"challenger_share": 0.6}):
        models.replace(models._models, {}, {})  # another model is changed
        models.replace(serve_versions(loaded, rollback=RULES, **SPLIT | changes)._models, {}, {})
        served = models.served("")
        assert (served.challenger, served.aliases.challenger_share) == (None, 0.0)
        assert {models.route("", f"visitor-{number}").model for number in range(50)} == {loaded["1"]}


@pytest.mark.parametrize("change", [{"challenger": "3"}, {"salt": "summer"}])
def test_a_rollback_that_could_not_be_written_is_of_that_experiment_alone(loaded, change):
    models = serve_versions(loaded, rollback=RULES, **SPLIT)
    models.hold_rollback("conversion", Aliases(champion="1", **SPLIT))
    models.replace(serve_versions(loaded, rollback=RULES, **SPLIT | change)._models, {}, {})
    assert models.served("").challenger is not None
    models.replace(serve_versions(loaded, rollback=RULES, **SPLIT)._models, {}, {})
    assert models.served("").challenger is loaded["2"], "whoever names it again wants it tried again"
