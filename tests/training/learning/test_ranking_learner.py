"""A learner of a ranking model, from an empty folder on: popular items, a challenger, a promotion."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from training.ranking.shops import walks

from presage_export.bundle import read_manifest
from presage_export.bundle.ranking import load_ranking_bundle
from presage_export.registry import read_aliases
from presage_featurizer import Event
from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_server.models.loading import load_models
from presage_training.errors import DatasetError, LearningError
from presage_training.learning import (
    RankGateRules,
    RankingLearner,
    RankLearnOptions,
    judge_ranking,
    read_verdicts,
    write_ranking_prior,
)
from presage_training.learning.process import train_or_say_why
from presage_training.learning.ranking_training import RankTrainingSpec
from presage_training.learning.ranking_training import train as train_ranking
from presage_training.ranking.comparing import CHAMPION
from presage_training.ranking.model_lists import ModelLists
from presage_training.report.metrics import Metric
from presage_training.simulator.list_simulation import simulate_lists
from presage_training.simulator.lists import ListSource
from presage_training.simulator.shop import Shop
from presage_training.verdicts import DecisionRules
from presage_training.verdicts.lists import parse_list_target
from support.learning import DAY_MICROS, START, archive_batch
from support.paired_lists import PairedModelLists

OPTIONS = RankLearnOptions(
    after_purchases=5,
    holdout_share=0.1,
    challenger_share=0.4,
    rules=DecisionRules(min_rows=100, min_positives=20),
    tightest_at=300,
    k=6,
    draws=20,
)


def a_learner(tmp_path: Path, options: RankLearnOptions = OPTIONS) -> RankingLearner:
    return RankingLearner(tmp_path / "archive", tmp_path / "models", options)


def verdicts(learner: RankingLearner) -> list[tuple[str, str]]:
    return [(each.version, each.verdict) for each in read_verdicts(learner.folder)]


def shop() -> Shop:
    return Shop.create(seed=5, products_per_category=8)


def events_of(source: ListSource, *, visitors: int, seed: int, day: int) -> list[Event]:
    """Show lists to the visitors of a shop for two weeks."""
    start = START + day * DAY_MICROS
    return simulate_lists(
        source, shop=shop(), seed=seed, visitors=visitors, start_unix_micros=start, days=14, k=6
    ).events


@pytest.mark.slow
def test_it_goes_from_popular_items_to_a_model_that_visitors_take_more_from(tmp_path):
    learner = a_learner(tmp_path)
    learner.cycle(1)  # there is no archive yet
    assert verdicts(learner) == [("1", "prior")]
    bundles = {"1": load_ranking_bundle(learner.folder / "1")}
    events = events_of(ModelLists(bundles["1"], shop()), visitors=700, seed=3, day=0)
    archive_batch(tmp_path / "archive", events, first=1)

    assert learner.cycle(2)
    assert not learner.cycle(2)
    assert verdicts(learner)[1:] == [("2", "challenger")]
    aliases = read_aliases(learner.folder)
    assert (aliases.champion, aliases.prior, aliases.challenger, aliases.holdout_share) == ("1", "1", "2", 0.1)
    manifest = read_manifest(learner.folder / "2")
    assert manifest.data["log_end_unix_micros"] == max(event.event_time_unix_micros for event in events)
    assert read_verdicts(learner.folder)[-1].reason.startswith(
        "not worse than the champion; NDCG@10 beside the champion: all +"
    )

    bundles["2"] = load_ranking_bundle(learner.folder / "2")
    served = PairedModelLists(aliases, bundles["1"], bundles["2"], shop())
    for event in events:
        served.add(event)
    newer = events_of(served, visitors=500, seed=4, day=15)
    archive_batch(tmp_path / "archive", newer, first=1_000_000, exposures=served.exposures)
    learner.cycle(3)
    assert verdicts(learner)[-1] == ("2", "promote")
    assert (
        "ranking/2 is better than ranking/1: its NDCG@6 of what visitors took is 0."
        in read_verdicts(learner.folder)[-1].reason
    )
    models = load_models(tmp_path / "models")
    arms = {models.route_ranking("ranking", f"visitor-{number}").model.version for number in range(100)}
    assert arms == {"2", "1"}  # the hold-out keeps popular items


@pytest.mark.slow
def test_a_champion_is_compared_on_what_came_after_its_own_log(tmp_path):
    log = walks(visitors=80)
    half = len(log) // 2
    archive_batch(tmp_path / "archive", log[:half], first=1)
    write_ranking_prior(tmp_path / "models" / "ranking" / "1")

    def train(version: str, champion: str, gate: RankGateRules = OPTIONS.gate):
        spec = RankTrainingSpec(
            archive=str(tmp_path / "archive"),
            name="ranking",
            version=version,
            champion=str(tmp_path / "models" / "ranking" / champion),
            question=None,
            window_share=0.3,
            gate=gate,
            seed=7,
        )
        return train_or_say_why(spec, tmp_path / "models", train_ranking)

    first = train("2", "1")
    assert (first.trained, first.passed) == (True, True)
    again = train("3", "2")  # nothing came after
    assert (again.trained, again.passed) == (False, False)
    assert "expected at least 20 answers to test on, got 0" in again.reason

    archive_batch(tmp_path / "archive", log[half:], first=1_000_000)
    later = train("3", "2", RankGateRules(tolerance=0.3, slice_tolerance=0.9))
    assert later.trained
    end = log[half - 1].event_time_unix_micros
    answers = sum(event.event_time_unix_micros > end for event in log)
    said = int(later.reason.partition("all ")[2].partition(" answers")[0].rpartition(" ")[2].replace(",", ""))
    assert 0 < said <= answers


def test_the_prior_puts_popular_items_first_whoever_the_visitor_is(tmp_path):
    write_ranking_prior(tmp_path / "ranking" / "1")
    bundle = load_ranking_bundle(tmp_path / "ranking" / "1")
    random = np.random.default_rng(2)
    rows = random.normal(size=(300, len(PAIR_FEATURES))).astype(np.float32)
    places = random.permutation([*range(200), *[1_000] * 100]).astype(np.float32)
    rows[:, list(PAIR_FEATURES).index("popularity_rank")] = places
    scores = bundle.scores(rows)
    assert (np.argsort(-scores, kind="stable")[:200] == np.argsort(places, kind="stable")[:200]).all()
    assert len(set(scores[places == 1_000].tolist())) == 1
    assert bundle.manifest.data["kind"] == "prior"


def test_a_folder_with_a_model_that_scores_is_left_alone(models, tmp_path):
    shutil.copytree(models / "conversion", tmp_path / "models" / "conversion")
    learner = a_learner(tmp_path, RankLearnOptions(name="conversion"))
    with pytest.raises(LearningError, match="expected a ranking model, got one that scores"):
        learner.start(1)
    assert [path.name for path in learner.folder.iterdir()] == ["1"]


class _Part:
    def __init__(self, queries: int, value: float | None, low: float | None) -> None:
        self.queries = queries
        self.ahead = {CHAMPION: {"ndcg_at_10": Metric(value=value, low=low, high=value)}}


class _Results:
    def __init__(self, **parts: _Part) -> None:
        self.parts = parts


@pytest.mark.parametrize(
    ("parts", "passed", "said"),
    [
        (
            {"all": _Part(500, 0.1, -0.01)},
            True,
            "not worse than the champion; NDCG@10 beside the champion: all +0.1000",
        ),
        (
            {"all": _Part(500, 0.1, -0.02)},
            False,
            "may be worse than the champion in all +0.1000 (at least -0.0200, 500 answers)",
        ),
        (
            {"all": _Part(500, 0.1, 0.05), "repeat": _Part(100, -0.1, -0.2)},
            False,
            "may be worse than the champion in repeat -0.1",
        ),
        ({"all": _Part(500, 0.1, 0.05), "repeat": _Part(99, -0.1, -0.2)}, True, "not worse than the champion"),
        ({"all": _Part(500, None, None)}, False, "all: the difference from the champion is not known"),
    ],
)
def test_the_gate_looks_at_all_answers_and_at_parts_that_are_large(parts, passed, said):
    report = judge_ranking(_Results(**parts), RankGateRules())
    assert report.passed is passed
    assert report.reason.startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"k": 0}, "k: expected 1 or more"),
        ({"window_share": 0.6}, "window_share: expected above 0 and at most 0.5"),
        ({"after_purchases": 0}, "after_purchases: expected 1 or more"),
        ({"pairs_share": 2.0}, "pairs_share: expected 0 to 1"),
    ],
)
def test_options_out_of_range_are_named(changes, said):
    with pytest.raises(DatasetError, match=said):
        RankLearnOptions(**changes)
    assert RankLearnOptions(target=parse_list_target("bought-within:60")).name == "ranking"


@pytest.mark.parametrize("name", ["tolerance", "slice_tolerance", "min_slice_queries"])
def test_gate_rules_out_of_range_are_named(name):
    with pytest.raises(DatasetError, match=f"gate.{name}: expected "):
        RankGateRules(**{name: -1})
