"""Which versions serve: by aliases, without them, and when something is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_export.registry import ALIASES_FILE, Aliases, version_order
from presage_server.errors import ModelError
from presage_server.models.choosing import ModelFolder, choose_models
from presage_server.models.plan import Plan, PlannedModel, VerifiedVersion

VERSIONS = tuple(f"{number}" for number in range(1, 8))


def good(version, *, ranks=False, feature_set="core", fingerprint="f"):
    return VerifiedVersion(
        version=version, digest=f"digest of {version}", ranks=ranks, feature_set=feature_set, fingerprint=fingerprint
    )


def checker(broken=(), copying=()):
    def check(_name, version):
        return "is broken" if version in broken else None if version in copying else good(version)

    return check


def folder(*versions, history=(), **aliases):
    return ModelFolder(versions, Aliases(**aliases) if aliases else Aliases(), lambda: tuple(history))


def choose(model, check=None, current=None):
    plan = choose_models({"shop": model}, check or checker(), current)
    return plan.models.get("shop"), plan.problems.get("shop", {})


def serving(champion, **beside):
    roles = {role: good(version) for role, version in beside.items()}
    return Plan(models={"shop": PlannedModel(champion=good(champion), **roles)})


class TestAtStart:
    def test_the_highest_version_serves_and_those_above_that_are_broken_are_named(self):
        planned, problems = choose(folder("1", "2", "10"), checker({"10"}))
        assert (planned.champion.version, problems) == ("2", {"10": "is broken"})

    def test_aliases_name_what_serves(self):
        named = {"champion": "2", "challenger": "3", "challenger_share": 0.1, "shadow": "1", "prior": "4"}
        planned, problems = choose(folder(*"12345", **named))
        assert list(planned.versions) == ["2", "3", "1", "4"]
        assert (planned.aliases, problems) == (Aliases(**named), {})

    def test_what_cannot_be_loaded_beside_the_champion_is_left_out_and_gets_no_visitors(self):
        named = {"champion": "2", "challenger": "3", "challenger_share": 0.1, "shadow": "1", "prior": "4"}
        planned, problems = choose(folder("1", "2", "3", **named), checker({"1", "3"}))
        assert list(planned.versions) == ["2"]
        assert planned.aliases == Aliases(champion="2")
        assert problems == {"3": "is broken", "1": "is broken", "4": "its folder is missing"}

    def test_where_the_champion_is_broken_the_one_before_it_serves(self):
        history = [Aliases(champion="4"), Aliases(champion="3"), Aliases(champion="2"), Aliases(champion="1")]
        planned, problems = choose(folder(*"12345", champion="4", history=history), checker({"4", "3"}))
        assert (planned.champion.version, planned.aliases.champion) == ("2", "2")
        assert problems == {"4": "is broken", "3": "is broken"}

    def test_before_the_first_aliases_it_was_the_highest(self):
        planned, _ = choose(folder(*"123", champion="3", history=[Aliases(champion="3"), Aliases()]), checker({"3"}))
        assert planned.champion.version == "2"

    def test_without_an_earlier_champion_the_server_does_not_start_and_the_file_is_named(self):
        with pytest.raises(ModelError, match=rf"shop/{ALIASES_FILE}: champion: version 3 cannot .*: is broken; name"):
            choose(folder(*"123", champion="3"), checker({"3"}))

    def test_where_the_aliases_cannot_be_read_the_last_valid_ones_champion_serves(self):
        history = (Aliases(champion="2"),)
        planned, problems = choose(ModelFolder(("1", "2", "3"), "aliases.json: is not valid", lambda: history))
        assert (planned.champion.version, problems) == ("2", {ALIASES_FILE: "aliases.json: is not valid"})
        with pytest.raises(ModelError, match=r"aliases\.json: is not valid"):
            choose(ModelFolder(("1", "2", "3"), "aliases.json: is not valid"))


class TestWhileServing:
    def test_a_higher_version_takes_over_and_a_broken_one_changes_nothing(self):
        assert choose(folder(*"123"), current=serving("2"))[0].champion.version == "3"
        planned, problems = choose(folder(*"123"), checker({"3"}), serving("2"))
        assert (planned.champion.version, problems) == ("2", {"3": "is broken"})

    def test_what_is_loaded_needs_its_folder_no_more(self):
        planned, problems = choose(folder("1"), current=serving("2"))
        assert (planned.champion.version, problems) == ("2", {})
        planned, problems = choose(folder("1", champion="2", shadow="1"), current=serving("2"))
        assert list(planned.versions) == ["2", "1"]
        assert problems == {"2": "its folder is missing; what was loaded of it still serves"}
        assert choose_models({}, checker(), serving("2")).models["shop"].champion.version == "2"

    def test_aliases_can_go_back(self):
        assert choose(folder(*"123", champion="1"), current=serving("3"))[0].champion.version == "1"

    def test_aliases_whose_champion_is_broken_or_still_being_copied_change_nothing_at_all(self):
        current = serving("2", challenger="1")
        for state in ({"broken": {"3"}}, {"copying": {"3"}}):
            planned, _ = choose(folder(*"123", champion="3"), checker(**state), current)
            assert planned == current.models["shop"]

    def test_aliases_that_cannot_be_read_change_nothing(self):
        current = serving("2", challenger="1")
        planned, problems = choose(ModelFolder(("1", "2", "3"), "no JSON"), current=current)
        assert (planned, problems) == (current.models["shop"], {ALIASES_FILE: "no JSON"})

    def test_a_name_keeps_its_kind(self):
        planned, problems = choose(
            folder("1", "2"), lambda _, version: good(version, ranks=version == "2"), serving("1")
        )
        assert planned.champion.version == "1"
        assert problems == {"2": "it ranks items, but this model scores visitors; give it a name of its own"}

    def test_a_new_model_cannot_put_out_one_that_serves_by_the_name_of_its_feature_set(self):
        def check(name, version):
            return good(version, fingerprint=name)

        current = choose_models({"shop": folder("1")}, check)
        plan = choose_models({"a": folder("1"), "shop": folder("1")}, check, current)
        assert list(plan.models) == ["shop"]
        assert "shop and a have different feature sets, both called 'core'" in plan.problems["a"]["1"]
        with pytest.raises(ModelError, match="a and shop have different feature sets"):
            choose_models({"a": folder("1"), "shop": folder("1")}, check)
        plan = choose_models({"a": folder("1"), "shop": folder("1")}, check, current, project_set="core")
        assert plan.models.keys() == {"a", "shop"}

    def test_a_challenger_whose_feature_set_only_has_the_same_name_is_left_out(self):
        def check(_name, version):
            return good(version, fingerprint=version)

        plan = choose_models({"shop": folder("1", "2", champion="1", challenger="2", challenger_share=0.5)}, check)
        assert (list(plan.models["shop"].versions), plan.models["shop"].aliases) == (["1"], Aliases(champion="1"))
        assert "its feature set differs from that of shop" in plan.problems["shop"]["2"]


@given(
    names=st.tuples(st.sampled_from(["", *VERSIONS]), st.sampled_from(["", *VERSIONS])),
    present=st.sets(st.sampled_from(VERSIONS)),
    broken=st.sets(st.sampled_from(VERSIONS)),
    copying=st.sets(st.sampled_from(VERSIONS)),
    before=st.sampled_from(VERSIONS),
)
def test_whatever_a_folder_holds_a_server_goes_on_with_what_is_sound(names, present, broken, copying, before):
    champion, challenger = names
    if not champion or challenger == champion:
        challenger = ""
    model = folder(*sorted(present), champion=champion, challenger=challenger)
    planned, problems = choose(model, checker(broken, copying), serving(before))
    sound = (present - broken - copying) | {before}
    assert set(planned.versions) <= sound
    if champion in sound:
        assert planned.champion.version == champion
    elif champion:
        assert planned.champion.version == before
    else:
        assert version_order(planned.champion.version) == max(
            map(version_order, sound & {v for v in VERSIONS if v >= before})
        )
    assert set(problems) <= broken | (set(VERSIONS) - present)
    assert planned.aliases.challenger in ("", challenger)
