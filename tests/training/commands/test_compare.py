"""``presage models compare``: the verdict on an archive with known truth, and what it does with it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from training.commands.running import Done, run_here
from training.logs import act

from presage_export.registry import Aliases, RollbackRules, read_aliases, read_changes, replace_aliases
from presage_featurizer import EventType, encode_event
from presage_featurizer.digests import digest
from presage_featurizer.event_log import Entry, EntryId, encode_served_vector
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from support.vectors import a_vector

VISITORS = 600
MODEL = ("conversion/3", "conversion/4")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Six hundred sessions, a third of which end in a purchase: version 3 knows which, version 4 guesses."""
    random = np.random.default_rng(4)
    events, vectors = [], []
    for number in range(VISITORS):
        view = act(EventType.VIEW_ITEM, number / 60, user_id=f"u{number}")
        buys = number % 3 == 0
        events += [view, act(EventType.PURCHASE, number / 60 + 1, user_id=f"u{number}")] if buys else [view]
        knowing, guessing = (0.7 if buys else 0.2) + random.uniform(-0.1, 0.1), random.uniform(0.1, 0.9)
        vectors.append(
            a_vector(
                user_id=view.user_id,
                session_id=view.session_id,
                as_of_unix_micros=view.event_time_unix_micros,
                last_event=digest(view.event_id),
                model_version="3",
                arm=1,
                propensity=0.9,
                score=knowing,
                others=(("4", guessing), ("5", knowing)),
            )
        )
    entries = [encode_event(event) for event in [*events, act(minutes=1_000, user_id="closer")]]
    made = [Entry(0, EntryId(9, place), event, no_prior_state=False) for place, event in enumerate(entries)]
    made += [
        Entry(0, EntryId(10, place), b"", no_prior_state=False, vector=encode_served_vector(vector))
        for place, vector in enumerate(vectors)
    ]
    folder = tmp_path_factory.mktemp("compared") / "archive"
    with open_folder(folder, new_id=lambda: "test") as opened:
        opened.commit(parts_by_day(made), positions={}, entries=len(made))
    return folder


@pytest.fixture
def models(tmp_path) -> Path:
    """A folder of models whose aliases try version 4."""
    (tmp_path / "conversion").mkdir()
    write(tmp_path, Aliases(champion="3", challenger="4", challenger_share=0.1))
    return tmp_path


def write(models: Path, aliases: Aliases) -> None:
    replace_aliases(models / "conversion", aliases, now_unix_micros=1, changed_by="ann", reason="a try")


@pytest.fixture
def compare(monkeypatch, capsys, archive):
    def run(*arguments: object, columns: int = 300) -> Done:
        given = ("models", "compare", *arguments, archive, "--target", "purchase-in-session")
        return run_here(monkeypatch, capsys, *given, columns=columns)

    return run


def test_a_version_that_guesses_is_worse(compare):
    done = compare(*MODEL)
    lines = done.out.splitlines()

    assert (done.code, done.err) == (0, "")
    assert lines[0].startswith(
        "conversion, purchase-in-session: 600 sessions of 600 visitors, 200 of them with a purchase; left out: 0 more pairs"
    )
    assert lines[-2].startswith("conversion/4 is worse than conversion/3: its log loss is 0.")
    assert lines[-1] == "Advice: roll back."
    assert {"log loss", "ROC-AUC", "mean score - mean outcome", "rank correlation"} <= {
        line.strip().partition("  ")[0] for line in lines
    }


def test_the_better_one_may_be_promoted(compare):
    assert compare(*MODEL[::-1]).out.splitlines()[-1] == "Advice: promote."


def test_equal_ones_are_told_to_go_on(compare):
    done = compare("conversion/3", "conversion/5")

    assert "No difference seen yet: " in done.out
    assert done.out.splitlines()[-1] == "Advice: continue."


def test_a_worse_challenger_is_rolled_back_on_demand_once(compare, models):
    done = compare(*MODEL, "--models", models, "--enforce")

    assert done.out.splitlines()[-1] == "Rolled back: nobody gets 4 any more."
    assert read_aliases(models / "conversion") == Aliases(champion="3", revision=2)
    change = list(read_changes(models / "conversion"))[-1]
    assert change.changed_by == "presage models compare"
    assert change.reason.startswith("conversion/4 is worse than conversion/3: its log loss is 0.")
    again = compare(*MODEL, "--models", models, "--enforce")
    assert again.out.splitlines()[-1].startswith("Nothing is changed: 4 is not the challenger of 3 in ")


def test_a_better_challenger_is_left_where_it_is(compare, models):
    write(models, Aliases(champion="4", challenger="3", challenger_share=0.1, revision=1))
    done = compare(*MODEL[::-1], "--models", models, "--enforce")

    assert done.out.splitlines()[-1] == "Advice: promote."
    assert read_aliases(models / "conversion").challenger == "3"


def test_the_error_level_is_that_of_the_aliases(compare, models):
    aliases = read_aliases(models / "conversion")
    write(models, replace(aliases, rollback=RollbackRules(paired_alpha=1e-6)))
    strict, usual = compare(*MODEL, "--models", models), compare(*MODEL)

    assert strict.out.splitlines()[0] == usual.out.splitlines()[0]
    assert strict.out != usual.out
    assert compare(*MODEL, "--models", models, "--alpha", "0.05").out == usual.out


def test_at_eighty_columns_only_labels_are_folded(compare):
    table = [line for line in compare(*MODEL, columns=80).out.splitlines() if line.startswith(" ")]

    assert max(map(len, table)) <= 80
    (header,) = [line.split() for line in table if "difference" in line]
    assert header == ["version", "3", "version", "4", "difference", "interval", "looks"]
    (row,) = [line for line in table if "log loss" in line]
    assert re.fullmatch(r" +log loss +0\.\d{4} +0\.\d{4} +\+0\.\d{4} +0\.\d{4} to 0\.\d{4} +any number *", row)


def test_pairs_from_before_a_moment_are_left_out(compare):
    done = compare(*MODEL, "--since", "2100-01-01")
    assert ": 0 sessions" in done.out
    assert "There is no pair of both versions here: " in done.out
    assert "log loss" not in done.out


def test_enforcing_needs_the_folder_of_models(compare):
    done = compare(*MODEL, "--enforce")

    assert done.code == 2
    assert done.err == "presage models compare: --enforce changes aliases: name the folder of bundles with --models\n"
