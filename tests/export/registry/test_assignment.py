"""Which arm a visitor gets."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_export.registry import Aliases, Arm, assign

VISITORS = [f"visitor-{number}" for number in range(20_000)]
SPLIT = Aliases(champion="1", challenger="2", challenger_share=0.25, salt="spring")


def share(aliases, arm, among=VISITORS):
    return sum(assign(aliases, visitor).arm is arm for visitor in among) / len(among)


def test_without_other_versions_the_champion_serves_everyone():
    assert assign(Aliases(), "ann") == (Arm.NONE, 1.0)


def test_arms_get_their_shares():
    aliases = Aliases(champion="1", challenger="2", challenger_share=0.25, holdout_share=0.1)

    # Five standard errors of a share of 20,000.
    assert share(aliases, Arm.HOLDOUT) == pytest.approx(0.1, abs=0.011)
    assert share(aliases, Arm.CHALLENGER) == pytest.approx(0.225, abs=0.015)


def test_a_propensity_is_the_share_of_its_arm():
    aliases = Aliases(champion="1", challenger="2", challenger_share=0.25, holdout_share=0.1)
    propensities = {assign(aliases, visitor) for visitor in VISITORS}

    assert dict(propensities) == {
        Arm.HOLDOUT: pytest.approx(0.1),
        Arm.CHALLENGER: pytest.approx(0.225),
        Arm.CHAMPION: pytest.approx(0.675),
    }


def test_a_larger_share_keeps_those_who_had_the_challenger():
    before = [visitor for visitor in VISITORS if assign(SPLIT, visitor).arm is Arm.CHALLENGER]
    larger = Aliases(champion="1", challenger="2", challenger_share=0.5, salt="spring")

    assert share(larger, Arm.CHALLENGER, before) == 1.0


def test_another_salt_draws_visitors_anew():
    before = [visitor for visitor in VISITORS if assign(SPLIT, visitor).arm is Arm.CHALLENGER]
    other = Aliases(champion="1", challenger="2", challenger_share=0.25, salt="summer")

    assert share(other, Arm.CHALLENGER, before) == pytest.approx(0.25, abs=0.04)


def test_who_is_held_out_does_not_depend_on_the_experiment():
    first = Aliases(champion="1", challenger="2", challenger_share=0.25, holdout_share=0.1, salt="spring")
    second = Aliases(champion="3", holdout_share=0.1, salt="summer")
    held_out = [visitor for visitor in VISITORS if assign(first, visitor).arm is Arm.HOLDOUT]

    assert share(second, Arm.HOLDOUT, held_out) == 1.0
    assert share(second, Arm.HOLDOUT) == len(held_out) / len(VISITORS)


def test_assignments_are_the_same_in_every_release():
    # Stored logs name arms: another hash would put visitors on other arms in the middle of an experiment.
    assert (
        "".join(str(assign(SPLIT, f"u{number}").arm.value) for number in range(40))
        == "1211111211121121221222111111211112122111"
    )


def drawn(purpose, salt, user_id):
    """A number from 0 to below 1, of 53 bits."""
    hashed = hashlib.blake2b(user_id.encode(), digest_size=8, key=salt.encode()[:64], person=purpose).digest()
    return (int.from_bytes(hashed) >> 11) / (1 << 53)


@given(st.text(min_size=1), st.text(max_size=80), st.data())
def test_an_arm_gets_those_whose_draw_is_below_its_share(user_id, salt, data):
    held_out, chosen = drawn(b"holdout", "", user_id), drawn(b"challenger", salt, user_id)
    # The draws themselves are where a rounding would show.
    shares = [data.draw(st.sampled_from((draw, 0.0, 1.0)) | st.floats(0.0, 1.0)) for draw in (held_out, chosen)]
    aliases = Aliases(champion="1", challenger="2", challenger_share=shares[1], holdout_share=shares[0], salt=salt)

    expected = Arm.CHALLENGER if chosen < shares[1] else Arm.CHAMPION
    assert assign(aliases, user_id).arm is (Arm.HOLDOUT if held_out < shares[0] else expected)
