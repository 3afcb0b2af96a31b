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
from presage_training.ranking.catalogue_sources import CatalogueFile
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
    assert list(bundle.manifest.shares) == list(PAIR_FEATURES)
    assert len(RankingTables.restore(bundle.arrays).digests) == bundle.spec.items == results.data.items
    assert json.loads((tmp_path / "run" / "results.json").read_text())["data"]["question"] == question
    page = (tmp_path / "run" / "report.html").read_text()
    for text in (question, "item-kNN", "VS-kNN", "blend 50/30/20", "blend 60/40", "coverage", "Importance"):
        assert text in page


def test_lists_and_clicks_are_enough(tmp_path):
    """Clicks are no interest in the sense of an item's history, so nothing but the lists has times."""
    results = trained(lists(visitors=80, shows=10, taken_by=EventType.SELECT_ITEM), tmp_path)

    data = results.data
    assert (data.question, data.item_events) == ("shown-list", 0)
    assert (data.fit_answers, data.test_answers) == (240, 240)
    load_ranking_bundle(tmp_path / "run" / "models" / "ranking" / "1")


def test_a_release_with_other_features_rejects_the_model(tmp_path):
    trained(walks(), tmp_path)
    definition = load_ranking_bundle(tmp_path / "run" / "models" / "ranking" / "1").manifest.feature_set

    with pytest.raises(FeatureSetError, match="train the model again"):
        check_ranking_features(msgspec.structs.replace(definition, fingerprint="0" * 64))


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("plain", [True, False])
def test_prices_and_categories_are_not_needed(tmp_path, plain):
    results = trained(walks(plain=plain), tmp_path)

    assert (results.lists[MODEL].diversity is None) == plain
    assert any("no item has a category" in remark for remark in results.remarks) == plain


def items_file(path: Path, **columns: list) -> CatalogueFile:
    """A catalogue of the shop's items as CSV, with a column that is named otherwise."""
    names = {"item_id": "sku", **{name: name for name in columns}}
    values = {"item_id": [f"item-{number}" for number in range(40)], **columns}
    lines = zip(*values.values(), strict=True)
    text = "\n".join([",".join(names.values()), *(",".join(map(str, line)) for line in lines)])
    path.write_text(f"{text}\n")
    return CatalogueFile(path=path, columns="item_id=sku")


@pytest.mark.slow
def test_a_catalogue_says_what_events_do_not(tmp_path):
    described = [item(number) for number in range(40)]
    catalogue = items_file(
        tmp_path / "items.csv",
        category=[one.category for one in described],
        brand=[one.brand for one in described],
        price=[*(one.price_micros / MICROS for one in described[:-1]), "dear"],
        stock=[0] * 40,
    )
    known = trained(walks(plain=True), tmp_path / "known", catalogue=catalogue, placements=Placements.parse("", "x"))
    said = trained(walks(), tmp_path / "said")

    assert known.data.skipped == {"items.csv: price: expected a number": 1}
    assert known.data.catalogue_items == 39
    assert (known.data.has_categories, known.data.has_prices) == (True, True)
    assert not any("constant in training" in remark for remark in known.remarks)
    assert known.lists[MODEL].diversity == pytest.approx(said.lists[MODEL].diversity, abs=0.1)
    used = {name for name, share in known.importances.items() if share > 0.0}
    assert used & {"same_category", "price_to_newest", "price_to_interest", "category_share"}
    # What is sold out today was not yet then.
    assert known.lists[f"{MODEL} + rules"] == known.lists[MODEL]
    assert "items of the catalogue given" in (tmp_path / "known" / "run" / "report.html").read_text()


def test_a_catalogue_without_ids_is_an_error(tmp_path):
    (tmp_path / "items.csv").write_text("sku,price\na,1\n")
    with pytest.raises(DatasetError, match="--columns item_id=NAME"):
        trained(walks(), tmp_path, catalogue=CatalogueFile(path=tmp_path / "items.csv"))


@pytest.mark.slow
def test_servers_that_forget_visitors_are_remarked_on(tmp_path):
    often = trained(baskets(), tmp_path / "often")
    log = [
        msgspec.structs.replace(one, event_time_unix_micros=START + 6 * (one.event_time_unix_micros - START))
        for one in baskets()
    ]
    rarely = trained(log, tmp_path / "rarely")
    forgetting = train_ranking(
        Log(log), tmp_path / "forgetting", options=RankingOptions(draws=100, state_ttl_days=20.0)
    )

    assert often.data.forgotten == 0.0
    assert not any("--state-ttl-days" in remark for remark in often.remarks)
    assert rarely.data.forgotten > 0.9
    assert 36 <= rarely.data.silence_days <= 54
    assert any("but here they are remembered; serve with --state-ttl-days" in remark for remark in rarely.remarks)
    assert forgetting.data.forgotten == 1.0
    own, popular = (forgetting.parts["all"].metrics[name]["ndcg_at_10"].value for name in ("own history", "popular"))
    assert own == popular  # there is no history
    assert rarely.parts["all"].metrics["own history"]["ndcg_at_10"].value > popular


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_bundle_is_also_written_where_it_is_wanted(tmp_path):
    trained(walks(), tmp_path, bundle=tmp_path / "models" / "shop" / "3")

    assert load_ranking_bundle(tmp_path / "models" / "shop" / "3").manifest.version == "3"


ONE_ITEM_SESSIONS = [
    event(EventType.VIEW_ITEM, number, START + number * DAY // 50, (item(number % 9),)) for number in range(300)
]


ONE_ITEM_ORDERS = [msgspec.structs.replace(order, items=(item(1),)) for order in baskets()]


@pytest.mark.parametrize(
    ("log", "question", "reason"),
    [
        ([], None, "has too little to learn a ranking from"),
        ([event(EventType.PAGE_VIEW, 1, START, ())], None, "0 events with items of 1 visitors"),
        (ONE_ITEM_SESSIONS, None, "expected at least 100 answers to a question, but 0 events are followed by another item"),
        (ONE_ITEM_SESSIONS, "next-order", "next-order: expected at least 20 answers to fit on, got 0"),
        (walks(), "shown-list", "shown-list: expected at least 20 answers to fit on, got 0 of the log's 0"),
        (walks(), "shown-list", "; no event shows a list of two items or more: rows of one shown item each cannot be joined"),
        (baskets(orders=1), None, "0 orders are of visitors who were there before"),
        (ONE_ITEM_ORDERS, None, "items: expected at least two to choose from, got one candidate for each query"),
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
    assert "all tested queries are of one visitor, so the intervals say nothing" in results.remarks
