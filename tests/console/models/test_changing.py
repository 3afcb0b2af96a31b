"""Changes of aliases as operators ask for them: what is read from a form, and what it makes of the aliases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from console.models.made import a_change, a_model, aliases

from presage_console.models.changing import Action, ChangeError, Wanted, decide, read_wanted, wording
from presage_export import registry


def wanted(action: Action, version: str = "", percent: str = "") -> Wanted:
    return Wanted(action=action, version=version, percent=percent)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"action": "promote", "version": "4"}, wanted(Action.PROMOTE, "4")),
        ({"action": "split", "version": " 4 ", "percent": " 12,5 % "}, wanted(Action.SPLIT, "4", "12.5")),
        ({"action": "shadow", "version": "3.1"}, wanted(Action.SHADOW, "3.1")),
        ({"action": "roll-back", "version": "../../etc", "percent": "x"}, wanted(Action.ROLL_BACK)),
    ],
)
def test_a_form_is_read(fields, found):
    assert read_wanted(fields) == found


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "action: expected one of promote"),
        ({"action": "delete"}, "'delete'"),
        ({"action": "promote"}, "version: expected"),
        ({"action": "promote", "version": "../4"}, "version: expected"),
        ({"action": "split", "version": "4"}, "share: expected 0 to 100 percent"),
        *(
            ({"action": "split", "version": "4", "percent": text}, repr(text))
            for text in ("-1", "101", "nan", "1e2", "٣", "0.0000001")
        ),
    ],
)
def test_what_a_form_lacks_is_named(fields, named):
    with pytest.raises(ChangeError, match="expected") as error:
        read_wanted(fields)
    assert named in str(error.value)


def test_changes_are_those_of_the_command_line():
    model = a_model("1", "3", "4", of=aliases(challenger="4", challenger_share=0.1, salt="old", shadow="1"))
    present = registry.Aliases(champion="3", challenger="4", challenger_share=0.1, salt="old", shadow="1", revision=4)

    assert decide(wanted(Action.PROMOTE, "4"), model, ()) == registry.promote(present, "4")
    assert decide(wanted(Action.SPLIT, "4", "50"), model, ()) == registry.split(
        present, "4", 0.5, champion="3", new_salt="unused"
    )
    another = decide(wanted(Action.SPLIT, "1", "0.5"), model, (), new_salt="new")
    assert (another.challenger, another.challenger_share, another.salt, another.shadow) == ("1", 0.005, "new", "")
    assert decide(wanted(Action.END_SPLIT), model, ()) == registry.drop_challenger(present)
    assert decide(wanted(Action.END_SHADOW), model, ()).shadow == ""
    assert decide(wanted(Action.SHADOW, "1"), a_model(), ()).shadow == "1"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (wanted(Action.PROMOTE, "9"), "version: expected one of 1, 3, 4, got 9"),
        (wanted(Action.SPLIT, "3", "10"), "challenger: expected not the champion"),
        (wanted(Action.SHADOW, "3"), "shadow: expected not the champion"),
        (wanted(Action.ROLL_BACK), "there is no change to roll back"),
    ],
)
def test_what_cannot_be_done_is_said(asked, why):
    with pytest.raises(ChangeError) as error:
        decide(asked, a_model(), ())
    assert why in str(error.value)


def test_broken_aliases_are_repaired_on_the_server_alone():
    with pytest.raises(ChangeError, match="presage models rollback conversion"):
        decide(wanted(Action.PROMOTE, "4"), a_model(problem="aliases.json: is not valid"), ())


def test_a_roll_back_restores_what_held_before_the_last_change():
    before, after = aliases(revision=3), aliases(challenger="4", challenger_share=0.1, salt="s", revision=4)
    found = decide(wanted(Action.ROLL_BACK), a_model(of=after), [a_change(before, after)])
    assert found == registry.Aliases(champion="3", revision=4)


def test_a_roll_back_of_a_roll_back_is_as_before():
    first, second = aliases(revision=3), aliases(champion="4", revision=4)
    third = replace(first, revision=5)
    changes = [a_change(second, third), a_change(first, second)]
    assert decide(wanted(Action.ROLL_BACK), a_model(of=third), changes).champion == "4"


def test_a_change_that_was_cut_off_before_it_held_is_not_rolled_back():
    first, second = aliases(champion="1", revision=3), aliases(champion="3", revision=4)
    never = a_change(second, aliases(champion="4"))
    found = decide(wanted(Action.ROLL_BACK), a_model(of=second), [never, a_change(first, second)])
    assert (found.champion, found.revision) == ("1", 4)


def test_aliases_that_were_edited_by_hand_are_put_back():
    first, second = aliases(champion="1", revision=3), aliases(champion="3", revision=4)
    edited = aliases(champion="4", revision=4)
    assert decide(wanted(Action.ROLL_BACK), a_model(of=edited), [a_change(first, second)]).champion == "3"


def test_a_roll_back_to_no_named_champion_lets_the_highest_version_serve():
    """The server fills in the champion that serves where the file names none."""
    unnamed = aliases(champion="", revision=0)
    named = aliases(champion="3", revision=1)
    back = aliases(champion="4", revision=2)
    changes = [a_change(named, replace(unnamed, revision=2)), a_change(unnamed, named)]
    assert decide(wanted(Action.ROLL_BACK), a_model(of=named), changes[1:]).champion == ""
    assert decide(wanted(Action.ROLL_BACK), a_model(of=back), changes).champion == "3"


def test_every_change_has_a_heading():
    for action in Action:
        assert wording(wanted(action, "4", "10"))
    assert wording(wanted(Action.SPLIT, "4", "10")) == "Try version 4 on 10 % of the visitors"
