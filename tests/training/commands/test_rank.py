from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from presage_featurizer.ranking.placements import Exploration, Placement
from presage_training.commands.rank import rank
from support.export_models import FEATURE_COUNT
from support.logged_lists import logged_ranking, seen, write_archive
from support.ranking_bundles import feature_set, ranking_model, write_ranking_model
from support.shelves import Good, Shelf

RATES = (0.1, 0.2, 0.3, 0.05, 0.6, 0.4)
SHELF = Shelf([Good("a")] * len(RATES))
LOGGED = Placement(exploration=Exploration(slots=(1, 3), epsilon=0.6))


def evaluated(*arguments):
    return CliRunner(env={"COLUMNS": "300"}).invoke(rank, ["evaluate", *map(str, arguments)])


def write_lists(directory, *, propensities=True, features=b"", fingerprint=""):
    random = np.random.default_rng(2)
    names = {int(digest): place for place, digest in enumerate(SHELF.digests)}
    exposures, events = [], []
    for number in range(300):
        exposure = logged_ranking(
            SHELF, LOGGED, number=number, k=3, name="home", features=features, fingerprint=fingerprint
        )
        rates = [RATES[names[int(exposure.digests[place])]] for place in exposure.order]
        exposures.append(exposure)
        clicked = np.flatnonzero(random.random(3) < rates).tolist()
        events += seen(exposure, SHELF, clicked, with_propensities=propensities)
    write_archive(directory, exposures, events)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists") / "archive"
    write_lists(folder)
    return folder


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[home]\nexploration = { slots = [1], epsilon = 0.2 }\n")
    return path


def test_rules_are_estimated_from_an_archive(archive, rules):
    done = evaluated(archive, "--placements", rules, "--draws", 100)
    assert done.exit_code == 0, done.output
    for word in ("logged", "ips", "snips", "direct", "doubly_robust", "300 lists, whose 900 places are worth"):
        assert word in done.stdout
    assert "warning" not in done.stdout
    assert evaluated(archive, "--placements", rules, "--draws", 100).stdout == done.stdout


def test_what_the_log_lacks_is_a_warning(archive, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text("[home]\nmax_per_category = 1\nfill_up = false\n")
    events_know_no_category = evaluated(archive, "--placements", rules, "--draws", 100)
    assert "warning" not in events_know_no_category.stdout
    rules.write_text("[home]\nexploration = { slots = [2], epsilon = 1 }\n")
    done = evaluated(archive, "--placements", rules, "--draws", 100)
    assert "warning: weights are" in done.stdout


def test_a_model_reads_logged_features(tmp_path, rules):
    bundle = tmp_path / "ranking" / "1"
    write_ranking_model(bundle, ranking_model())
    rows = np.random.default_rng(1).normal(size=(len(RATES), FEATURE_COUNT)).astype("<f4")
    write_lists(tmp_path / "archive", features=rows.tobytes(), fingerprint=feature_set().fingerprint)
    done = evaluated(tmp_path / "archive", "--model", bundle, "--placements", rules, "--draws", 100)
    assert done.exit_code == 0, done.output
    assert "300 lists" in done.stdout


def test_a_model_without_logged_features_is_told_what_is_missing(tmp_path, archive, rules):
    bundle = tmp_path / "ranking" / "1"
    write_ranking_model(bundle, ranking_model())
    done = evaluated(archive, "--model", bundle, "--placements", rules)
    assert done.exit_code == 2
    assert "300 rankings whose features were not logged, or are not those of the model" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[home]\nmax_per_brnd = 1", "rules.toml: home: unknown key 'max_per_brnd'; is 'max_per_brand' meant?"),
        ("[cart]\nmax_per_brand = 1", "expected one of 'cart' or no placement, got 'home'"),
        (b"\xff", "rules.toml: expected text in UTF-8"),
    ],
)
def test_wrong_rules_are_named(archive, tmp_path, text, message):
    rules = tmp_path / "rules.toml"
    rules.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = evaluated(archive, "--placements", rules)
    assert done.exit_code == 2
    assert message in done.stderr


def test_wrong_arguments_are_named(archive, rules, tmp_path):
    for arguments, message in (
        ((archive,), "expected --placements, --model or both"),
        ((archive, "--placements", rules, "--reward", "SMILE"), "--reward: expected one of SELECT_ITEM, VIEW_ITEM"),
        ((tmp_path / "none", "--placements", rules), "none/archive.json: No such file or directory"),
        ((tmp_path, "--placements", rules), "holds no archive.json"),
        ((archive, "--placements", tmp_path / "none.toml"), "none.toml: No such file or directory"),
        ((archive, "--model", tmp_path), "manifest.json"),
    ):
        done = evaluated(*arguments)
        assert done.exit_code == 2, arguments
        assert message in done.stderr, done.stderr


def test_an_archive_without_rankings_says_what_to_do(tmp_path, rules):
    write_archive(tmp_path / "archive", [], seen(logged_ranking(SHELF, LOGGED, number=1, k=3), SHELF))
    done = evaluated(tmp_path / "archive", "--placements", rules)
    assert done.exit_code == 2
    assert "the log has no rankings; serve with --exposures-share 1" in done.stderr
