"""Which version serves which visitors."""

from __future__ import annotations

import pytest

from presage_export.registry import Aliases, Arm, assign
from presage_server.models.served import Served

VISITORS = [f"visitor-{number}" for number in range(500)]


def served(**aliases) -> Served:
    made = Aliases(champion="1", **aliases)
    named = {name: getattr(made, name) for name in ("challenger", "shadow", "prior")}
    loaded = {version: _Version(version) for version in ("1", *named.values()) if version}
    return Served(
        champion=loaded["1"], aliases=made, **{name: loaded[version] for name, version in named.items() if version}
    )


class _Version:
    """Equal only to itself, as ``Model`` is."""

    def __init__(self, version: str) -> None:
        self.version = version


def versions(route) -> tuple[str, ...]:
    return tuple(version.version for version in (route.model, *route.others))


def test_one_version_serves_everyone_alone():
    route = served(pairs_share=0.5).route("ann")

    assert (versions(route), route.arm, route.propensity, route.pairs_share) == (("1",), Arm.NONE, 1.0, 0.0)


def test_visitors_get_the_version_of_their_arm_and_all_others_beside_it():
    made = served(challenger="2", challenger_share=0.3, shadow="3", holdout_share=0.2, prior="4", pairs_share=0.5)
    expected = {
        Arm.CHAMPION: ("1", "2", "3"),
        Arm.CHALLENGER: ("2", "1", "3"),
        Arm.HOLDOUT: ("4", "1", "2", "3"),
    }
    for visitor in VISITORS:
        route = made.route(visitor)
        assert (route.arm, route.propensity) == assign(made.aliases, visitor)
        assert versions(route) == expected[route.arm]
        assert route.pairs_share == 0.5


def test_who_is_held_out_gets_the_champion_where_there_is_no_prior():
    made = served(holdout_share=1.0)

    assert (versions(made.route("ann")), made.route("ann").arm) == (("1",), Arm.HOLDOUT)


def test_a_version_that_has_two_roles_is_scored_once():
    made = served(challenger="2", challenger_share=0.5, shadow="2")

    assert {versions(made.route(visitor)) for visitor in VISITORS} == {("1", "2"), ("2", "1")}


def test_without_its_challenger_everyone_gets_what_they_would_have_got_otherwise():
    made = served(challenger="2", challenger_share=0.3, shadow="3", holdout_share=0.2, prior="4", pairs_share=0.5)
    after = made.without_challenger()

    assert after.challenger is None
    for visitor in VISITORS:
        before, now = made.route(visitor), after.route(visitor)
        assert versions(now) == (("4", "1", "3") if before.arm is Arm.HOLDOUT else ("1", "3"))
        assert now.arm is (Arm.HOLDOUT if before.arm is Arm.HOLDOUT else Arm.CHAMPION)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_none_or_all_is_of_none_or_all(share):
    made = served(challenger="2", challenger_share=share)

    assert {made.route(visitor).model.version for visitor in VISITORS} == {"2" if share else "1"}
