"""``presage models compare`` of two versions of a ranking model, on an archive with known truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from training.commands.running import Done, run_here
from training.verdicts.lists.simulated import simulated

from presage_export.registry import Aliases, read_aliases, replace_aliases
from presage_featurizer import encode_event
from presage_featurizer.event_log import Entry, EntryId, encode_exposure, partition_of
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from support.rankings import write_ranking_bundle

PAIR = ("ranking/3", "ranking/4")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Version 3 is worse than version 4, which half of the visitors see."""
    happened = simulated(noise_a=2.0, noise_b=0.3)
    made = [
        Entry(partition_of(event.user_id), EntryId(9, place), encode_event(event), no_prior_state=False)
        for place, event in enumerate(happened.events)
    ]
    made += [
        Entry(partition_of(each.user_id), EntryId(10, place), b"", no_prior_state=False, exposure=encode_exposure(each))
        for place, each in enumerate(happened.exposures)
    ]
    folder = tmp_path_factory.mktemp("compared") / "archive"
    with open_folder(folder, new_id=lambda: "test") as opened:
        opened.commit(parts_by_day(made), positions={}, entries=len(made))
    return folder


@pytest.fixture
def compare(monkeypatch, capsys, archive):
    def run(*arguments: object) -> Done:
        return run_here(monkeypatch, capsys, "models", "compare", *arguments, archive, columns=300)

    return run


def test_the_better_order_is_told_with_its_figures(compare):
    done = compare(*PAIR, "--k", 6)
    lines = done.out.splitlines()

    assert (done.code, done.err) == (0, "")
    assert lines[0].startswith("ranking, taken-within:60: 1,")
    assert " sessions of 600 visitors, shown by either version, " in lines[0]
    assert [line.strip().partition("  ")[0] for line in lines[4:9]] == [
        "NDCG@6 of what was taken",
        "reciprocal rank",
        "takers among those it served",
        "buyers among those it served",
        "same first 6",
    ]
    assert lines[-2].startswith("ranking/4 is better than ranking/3: its NDCG@6 of what visitors took is 0.")
    assert lines[-1] == "Advice: promote."


def test_what_counts_as_taken_can_be_given(compare):
    done = compare(*PAIR, "--target", "bought-within:1440")
    assert done.out.startswith("ranking, bought-within:1440: ")


def test_bundles_say_that_they_rank_and_a_worse_challenger_is_rolled_back_on_demand(compare, tmp_path):
    for version in ("3", "4"):
        write_ranking_bundle(tmp_path, version=version)
    aliases = Aliases(champion="4", challenger="3", challenger_share=0.5)
    replace_aliases(tmp_path / "ranking", aliases, now_unix_micros=1, changed_by="ann", reason="a try")
    done = compare(*PAIR[::-1], "--models", tmp_path, "--enforce")

    assert done.out.startswith("ranking, taken-within:60: ")
    assert done.out.splitlines()[-1] == "Rolled back: nobody gets 3 any more."
    assert read_aliases(tmp_path / "ranking").challenger == ""


def test_versions_that_nobody_paired_are_told(compare):
    done = compare("ranking/3", "ranking/9")
    assert "There is no pair of lists of both versions here: " in done.out
    assert done.out.splitlines()[-1].startswith("Advice: continue: too few outcomes: 0 sessions")
