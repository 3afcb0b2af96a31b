"""Any log becomes a ranking model that serves, or an error that says what is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pytest
from training.ranking.shops import DAY, START, baskets, event, item, lists, walks

from presage_export.bundle.ranking import load_ranking_bundle
from presage_featurizer import MICROS, Event, EventType, FeatureSetError, Item
from presage_featurizer.ranking.definition import check_ranking_features
from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_featurizer.ranking.placements import Placements
from presage_featurizer.ranking.tables import RankingTables
from presage_training.errors import DatasetError
from presage_training.ranking.comparing import MODEL
from presage_training.ranking.planning import RankingOptions
from presage_training.ranking.runs import train_ranking

OPTIONS = RankingOptions(draws=100)


@dataclass(frozen=True)
class Log:
    """Events that a test made up, as a log to read."""

    log: list[Event]
    name: str = "made up"
    location: str = "made-up.jsonl"
    distinct_ids: bool = False
    as_recorded: bool = False
    facts: dict[str, str | int] = field(default_factory=lambda: {"source": "made up"})

    def events(self, skipped, progress=None):  # noqa: ARG002 - a log file would use them
        yield from self.log


def trained(log: list[Event], folder: Path, **more):
    return train_ranking(Log(log), folder / "run", options=OPTIONS, **more)


@pytest.mark.parametrize(
    ("log", "question", "behind"),
    [
        (walks(), "next-item", "popular"),
        (baskets(), "next-order", "popular"),
        (lists(), "shown-list", "as shown"),
    ],
)
def test_it_asks_what_the_log_answers_and_beats_what_is_simple(tmp_path, log, question, behind):
    results = trained(log, tmp_path)

    assert results.data.question == question
    lead = results.parts["all"].ahead[behind]["ndcg_at_10"]
    assert lead.low > 0.0
    bundle = load_ranking_bundle(tmp_path / "run" / "models" / "ranking" / "1")
    check_ranking_features(bundle.manifest.feature_set)
    assert bundle.spec.question == question
    assert bundle.spec.metrics["all"][MODEL]["ndcg_at_10"].value == bundle.manifest.metrics["ndcg_at_10"]
    assert bundle.spec.importances.keys() == PAIR_FEATURES.keys()
    assert len(RankingTables.restore(bundle.arrays).digests) == bundle.spec.items == results.data.items
    assert json.loads((tmp_path / "run" / "results.json").read_text())["data"]["question"] == question
    page = (tmp_path / "run" / "report.html").read_text()
    for text in (question, "item-kNN", "VS-kNN", "blend 50/30/20", "blend 60/40", "coverage", "Importance"):
        assert text in page


def test_a_release_with_other_features_rejects_the_model(tmp_path):
    trained(walks(), tmp_path)
    definition = load_ranking_bundle(tmp_path / "run" / "models" / "ranking" / "1").manifest.feature_set

    with pytest.raises(FeatureSetError, match="train the model again"):
        check_ranking_features(msgspec.structs.replace(definition, fingerprint="0" * 64))


def test_the_order_of_the_log_does_not_matter_and_the_same_seed_gives_the_same_bytes(tmp_path):
    log = walks()
    shuffled = [log[place] for place in np.random.default_rng(1).permutation(len(log))]
    first = trained(log, tmp_path / "a")
    second = trained(shuffled, tmp_path / "b")

    assert first.parts == second.parts
    for file in (tmp_path / "a").rglob("*.*"):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


def test_rules_are_measured_beside_the_model(tmp_path):
    placements = Placements.parse("[home]\nmax_per_category = 1\nfill_up = false\n", "placements.toml")
    results = trained(walks(), tmp_path, placements=placements)

    name = f"{MODEL} + rules of home"
    assert results.lists[name].diversity == pytest.approx(1.0)
    assert results.lists[MODEL].diversity < 0.9
    metrics = results.parts["all"].metrics
    assert metrics[f"{MODEL} + rules"] == metrics[MODEL]  # no rule does anything here
    assert metrics[name]["recall_at_10"].value < metrics[MODEL]["recall_at_10"].value
    assert not any("rules" in remark for remark in results.remarks)


@pytest.mark.parametrize("plain", [True, False])
def test_prices_and_categories_are_not_needed(tmp_path, plain):
    results = trained(walks(plain=plain), tmp_path)

    assert (results.lists[MODEL].diversity is None) == plain
    assert any("no item has a category" in remark for remark in results.remarks) == plain


def test_ids_may_have_any_characters(tmp_path):
    def odd(one: Event) -> Event:
        named = tuple(Item(f"Ünï/{found.item_id}\n\"'<b>\u202e", found.category + "\t&") for found in one.items)
        return Event(one.event_id, one.type, f"{one.user_id} \U0001f600", one.event_time_unix_micros, items=named)

    plain = trained(walks(), tmp_path / "plain")
    strange = trained([odd(one) for one in walks()], tmp_path / "odd")

    assert strange.data.items == plain.data.items
    assert strange.parts["all"].queries == plain.parts["all"].queries


def test_thousands_of_items_in_one_order_are_no_obstacle(tmp_path):
    giant = event(EventType.PURCHASE, 1, START + 30 * DAY, tuple(item(number) for number in range(3_000)))

    results = trained([*baskets(), giant], tmp_path)

    assert results.data.items == 3_000


def test_the_bundle_is_also_written_where_it_is_wanted(tmp_path):
    trained(walks(), tmp_path, bundle=tmp_path / "models" / "shop" / "3")

    assert load_ranking_bundle(tmp_path / "models" / "shop" / "3").manifest.version == "3"


ONE_ITEM_SESSIONS = [
    event(EventType.VIEW_ITEM, number, START + number * DAY // 50, (item(number % 9),)) for number in range(300)
]


@pytest.mark.parametrize(
    ("log", "question", "reason"),
    [
        ([], None, "has too little to learn a ranking from"),
        ([event(EventType.PAGE_VIEW, 1, START, ())], None, "0 events with items of 1 visitors"),
        (ONE_ITEM_SESSIONS, None, "expected at least 100 answers to a question, but 0 events are followed by another item"),
        (ONE_ITEM_SESSIONS, "next-order", "next-order: expected at least 20 answers to fit on, got 0"),
        (walks(), "shown-list", "shown-list: expected at least 20 answers to fit on, got 0 of the log's 0"),
        (baskets(orders=1), None, "0 orders are of visitors who were there before"),
        ([event(EventType.LOGIN, 1, START, ())], "next-item", "no event that shows interest in an item"),
    ],
)  # fmt: skip
def test_a_log_that_says_too_little_is_an_error_that_says_so(tmp_path, log, question, reason):
    with pytest.raises(DatasetError, match=r"made-up\.jsonl: ") as failure:
        trained(log, tmp_path, question=question)

    assert reason in str(failure.value)
    assert list(tmp_path.iterdir()) == []


def test_one_visitor_is_enough(tmp_path):
    """Then all draws are the same, and no interval says anything; but it must not fail."""
    log = [
        event(EventType.VIEW_ITEM, 1, START + place * 60 * MICROS, (item(place * place % 23),)) for place in range(600)
    ]
    results = trained(log, tmp_path)

    metric = results.parts["all"].metrics[MODEL]["ndcg_at_10"]
    assert metric.low == metric.value == metric.high
