"""From lists that a server ranked and visitors saw, through the archive, to what other rules would have brought."""

from __future__ import annotations

import random

from typer.testing import CliRunner

from presage_client import Client, Event, EventType, RankContext
from presage_featurizer.ranking.placements import Placements
from presage_training.commands.rank import rank
from presage_training.ranking.policies.evaluating import evaluate_policy
from presage_training.ranking.policies.new_policy import NewPolicy
from presage_training.readers.formats.archive import read_archive_events, read_archived_exposures
from presage_training.readers.skipped_rows import SkippedRows
from support.archives import archive_once
from support.bundles import write_small_bundle
from support.rankings import item_id, write_ranking_bundle
from support.running_server import server_process

LISTS, K = 200, 4
CANDIDATES = [item_id(number) for number in range(10)]
SERVED = "[home]\nexploration = { slots = [1], epsilon = 0.8 }\n"
OTHER = "[home]\nexploration = { slots = [1], epsilon = 0.1 }\n"
LIKED = CANDIDATES[3]


def test_other_rules_are_estimated_from_served_lists(store, tmp_path):
    write_ranking_bundle(tmp_path / "models")
    write_small_bundle(tmp_path / "models")
    (tmp_path / "served.toml").write_text(SERVED)
    (tmp_path / "other.toml").write_text(OTHER)
    clicked = random.Random(4)
    flags = ("--redis-url", store.url, "--models", str(tmp_path / "models"), "--exposures-share", "1")
    with (
        server_process(tmp_path / "log", *flags, "--placements", str(tmp_path / "served.toml")) as server,
        Client(server.address) as presage,
    ):
        clicks = 0
        for number in range(LISTS):
            user = f"visitor-{number}"
            ranking = presage.rank(user, candidate_ids=CANDIDATES, k=K, context=RankContext(placement="home"))
            presage.track(ranking.impression(user))
            first = ranking.items[0].item_id
            if clicked.random() < (0.9 if first == LIKED else 0.2):
                clicks += 1
                presage.track(Event(type=EventType.SELECT_ITEM, user_id=user, items=[ranking.item(first)]))
    archive_once(store, tmp_path / "archive")

    done = CliRunner(env={"COLUMNS": "300"}).invoke(
        rank, ["evaluate", str(tmp_path / "archive"), "--placements", str(tmp_path / "other.toml"), "--draws", "100"]
    )
    assert done.exit_code == 0, done.output
    assert f"{LISTS:,} lists, whose {LISTS * K:,} places are worth" in done.stdout
    assert "skipped" not in done.stdout
    found = evaluated(tmp_path / "archive", SERVED)
    assert found.total.values["logged"].value == clicks / LISTS
    # The rules that were served are worth what they brought: the probabilities are those that the server logged.
    assert abs(found.total.values["ips"].value - clicks / LISTS) < 1e-9
    assert found.total.largest_weight - 1.0 < 1e-9


def evaluated(archive, rules):
    skipped = SkippedRows()
    events = read_archive_events(archive, skipped=skipped)
    policy = NewPolicy(placements=Placements.parse(rules, "rules"))
    found = evaluate_policy(events, read_archived_exposures(archive), policy, draws=2)
    assert not skipped.counts
    assert not found.skipped
    return found
