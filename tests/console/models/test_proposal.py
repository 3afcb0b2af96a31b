"""What a change would do, before it is made: who would be served by what, and what speaks against it."""

from __future__ import annotations

from console.models.made import a_change, a_model, aliases

from presage_console.models.changing import Action, Wanted, decide
from presage_console.models.measurements import MeasuredComparison
from presage_console.models.proposal import Proposal, propose

TRIED = aliases(challenger="4", challenger_share=0.1, salt="s")


def compared(action: str) -> MeasuredComparison:
    return MeasuredComparison(
        versions=("3", "4"),
        target="purchase-in-session",
        rows=600,
        visitors=600,
        found="200 of them with a purchase",
        left_out={},
        figures=(),
        sentence="4 is worse than 3.",
        action=action,
        reason="4 is worse than 3.",
        alpha=0.05,
    )


def proposed(
    action: Action, version: str = "", percent: str = "", *, of=TRIED, rejected="", seen=None, changes=(), verdict=None
) -> Proposal:
    model = a_model("1", "3", "4", of=of, rejected=rejected)
    wanted = Wanted(action=action, version=version, percent=percent)
    after = decide(wanted, model, changes, new_salt="new")
    return propose(wanted, model, after, changes, seen_revision=seen, comparison=verdict)


def test_a_promotion_says_who_is_served_by_what_before_and_after():
    found = proposed(Action.PROMOTE, "4")
    effects = {
        effect.version: (effect.before, effect.after, effect.share_before, effect.share_after)
        for effect in found.effects
    }
    assert effects == {"3": ("champion", "none", 0.9, 0.0), "4": ("challenger", "champion", 0.1, 1.0)}
    assert (found.revision, found.changes_something, found.warnings, found.meanwhile) == (4, True, (), ())


def test_what_holds_already_changes_nothing():
    assert not proposed(Action.SPLIT, "4", "10").changes_something
    assert not proposed(Action.PROMOTE, "3").changes_something


def test_a_version_that_was_never_compared_is_said_to_be_so():
    found = proposed(Action.PROMOTE, "4")
    assert found.verdict.startswith("No comparison of this version with the champion")
    assert found.tone == ""
    assert proposed(Action.END_SPLIT).verdict == ""


def test_a_comparison_that_advises_against_the_change_is_said_to_speak_against_it():
    assert proposed(Action.PROMOTE, "4", verdict=compared("roll back")).tone == "bad"
    assert proposed(Action.PROMOTE, "4", verdict=compared("continue")).tone == "bad"
    assert proposed(Action.PROMOTE, "4", verdict=compared("promote")).tone == "good"
    assert proposed(Action.SPLIT, "4", "50", verdict=compared("continue")).tone == ""
    assert proposed(Action.SPLIT, "4", "50", verdict=compared("roll back")).tone == "bad"


def test_what_the_server_will_reject_and_what_ends_is_warned_of():
    (broken,) = proposed(Action.PROMOTE, "1", of=aliases(), rejected="1").warnings
    assert broken.startswith("Version 1 cannot be served: its model.onnx is broken.")
    ended, drawn = proposed(Action.SPLIT, "1", "20").warnings
    assert ended.startswith("This ends the trial of version 4")
    assert drawn.startswith("Visitors are drawn again")
    assert "pairs_share is 0" in proposed(Action.SHADOW, "1", of=aliases(pairs_share=0.0)).warnings[0]


def test_a_roll_back_to_a_version_that_is_gone_is_warned_of():
    gone = aliases(champion="2", revision=3)
    found = proposed(Action.ROLL_BACK, of=aliases(), changes=[a_change(gone, aliases())])
    assert found.warnings == ("Version 2 is not in the folder any more. The server will reject this change.",)


def test_what_was_changed_since_the_operator_looked_is_shown():
    earlier, between = aliases(revision=2), aliases(champion="1", revision=3)
    changes = [a_change(between, TRIED, changed_by="bob"), a_change(earlier, between)]
    found = proposed(Action.PROMOTE, "4", seen=3, changes=changes)
    assert [(change.by, change.revision) for change in found.meanwhile] == [("bob", 4)]
    assert "champion 1 → 3" in found.meanwhile[0].what
    assert proposed(Action.PROMOTE, "4", seen=4, changes=changes).meanwhile == ()
