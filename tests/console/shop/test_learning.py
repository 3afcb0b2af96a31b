from __future__ import annotations

import msgspec
import pytest

from presage_console.errors import SourceError
from presage_console.shop.learning import read_learning
from presage_export.registry import Verdict, append_verdict, promote, read_aliases, replace_aliases, split
from presage_training.learning.state import LearnState, write_state

NOON = 1_800_000_000_000_000


def change(folder, aliases, at):
    replace_aliases(folder, aliases, now_unix_micros=at, changed_by="presage learn", reason="a test")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "conversion"
    for version in ("3", "5"):
        (folder / version).mkdir(parents=True)
    return folder


def test_there_is_nothing_to_read_without_a_learner(tmp_path):
    assert read_learning(tmp_path / "conversion") is None


def test_it_says_what_a_model_has_learned_from_and_since_when_it_serves(folder):
    change(folder, msgspec.structs.replace(read_aliases(folder), champion="3"), NOON)
    write_state(folder, LearnState(purchases=214))
    begun = read_learning(folder)
    assert (begun.champion, begun.learned_from, begun.since_training) == ("3", 0, 214)

    (folder / ".learning").mkdir()
    assert read_learning(folder).is_training
    (folder / ".learning").rmdir()

    write_state(folder, LearnState(purchases=220, trained_purchases=214))
    change(folder, split(read_aliases(folder), "5", 0.2, champion="3", new_salt="s"), NOON + 1_000_000)
    verdict = Verdict(decided_at_unix_micros=NOON, version="5", verdict="challenger", reason="", purchases=214)
    append_verdict(folder, verdict)
    trial = read_learning(folder)
    assert (trial.champion, trial.challenger, trial.learned_from) == ("3", "5", 0)

    change(folder, promote(read_aliases(folder)), NOON + 60_000_000)
    append_verdict(folder, msgspec.structs.replace(verdict, verdict="continue"))
    append_verdict(
        folder, msgspec.structs.replace(verdict, verdict="promote", decided_at_unix_micros=NOON + 60_000_000)
    )
    learned = read_learning(folder)
    assert (learned.champion, learned.challenger, learned.learned_from) == ("5", "", 214)
    assert learned.since_unix_micros == NOON + 60_000_000
    assert learned.since_training == 6
    assert not learned.is_training
    assert [what for _, what in learned.news] == [
        "version 5 proved better and serves now",
        "version 5 passed its test and is on trial",
    ]


def test_a_file_that_cannot_be_read_is_an_error_for_the_page(folder):
    (folder / "learning.json").write_text("no json")
    with pytest.raises(SourceError, match="conversion"):
        read_learning(folder)
