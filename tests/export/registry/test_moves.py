"""What operators do to aliases, whatever they are: an invariant of each, and the cases that have a reason of their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_export.registry import Aliases, AliasesError, drop_challenger, promote, set_shadow, split

VERSIONS = ["1", "2", "3", "4"]
RUNNING = Aliases(champion="1", challenger="2", challenger_share=0.1, shadow="3", salt="old", prior="4", revision=7)

versions = st.sampled_from(VERSIONS)


@st.composite
def any_aliases(draw: st.DrawFn) -> Aliases:
    champion, challenger, shadow = draw(st.permutations(VERSIONS))[:3]
    if not draw(st.booleans()):
        return Aliases()
    return Aliases(
        champion=champion,
        challenger=challenger,
        challenger_share=draw(st.floats(0.0, 1.0)),
        shadow=draw(st.sampled_from(["", shadow])),
        prior=draw(st.sampled_from(["", *VERSIONS])),
        salt="old",
        revision=draw(st.integers(0, 9)),
    )


@given(any_aliases(), versions)
def test_whoever_is_promoted_is_the_champion_and_nothing_else(aliases, version):
    after = promote(aliases, version)

    assert after.champion == version
    assert version not in {after.challenger, after.shadow}
    assert (after.prior, after.salt, after.revision) == (aliases.prior, aliases.salt, aliases.revision)
    assert promote(after, version) == after


@given(any_aliases(), versions, st.floats(0.0, 1.0))
def test_a_split_names_a_champion_and_another_challenger(aliases, version, share):
    if version == (aliases.champion or "1"):
        with pytest.raises(AliasesError, match="challenger: expected not the champion"):
            split(aliases, version, share, champion="1", new_salt="new")
        return
    after = split(aliases, version, share, champion="1", new_salt="new")

    assert (after.champion, after.challenger, after.challenger_share) == (aliases.champion or "1", version, share)
    assert after.shadow != version
    assert after.salt == ("old" if aliases.challenger == version else "new")


@given(any_aliases())
def test_without_its_challenger_the_champion_serves_all(aliases):
    after = drop_challenger(aliases)

    assert (after.challenger, after.challenger_share) == ("", 0.0)
    assert (after.champion, after.shadow, after.salt) == (aliases.champion, aliases.shadow, aliases.salt)


def test_the_challenger_is_promoted_unless_another_version_is_named():
    assert promote(RUNNING).champion == "2"
    assert promote(RUNNING).challenger_share == 0.0
    assert promote(RUNNING, "4").challenger == "2"


def test_without_a_challenger_there_is_nothing_to_promote():
    with pytest.raises(AliasesError, match="champion: there is no challenger to promote; name a version"):
        promote(Aliases(champion="1"))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_bounds_is_named(share):
    with pytest.raises(AliasesError, match="challenger_share: expected 0 to 1"):
        split(RUNNING, "2", share, champion="1", new_salt="new")


def test_a_shadow_is_set_and_taken_away():
    assert set_shadow(Aliases(), "2", champion="1") == Aliases(champion="1", shadow="2")
    assert set_shadow(RUNNING, "4", champion="1").shadow == "4"
    assert set_shadow(RUNNING, "", champion="1").shadow == ""
    assert set_shadow(Aliases(), "", champion="1") == Aliases()


@pytest.mark.parametrize(("version", "role"), [("1", "champion"), ("2", "challenger")])
def test_a_version_that_scores_already_is_no_shadow(version, role):
    with pytest.raises(AliasesError, match=f"shadow: expected not the {role}, got '{version}'"):
        set_shadow(RUNNING, version, champion="1")
