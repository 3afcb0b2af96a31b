from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_console.visitor.waterfall import Part, scores_of_margins, waterfall
from presage_export.bundle.link import logistic

CHANGES = st.lists(st.floats(-3, 3).filter(lambda change: change == 0 or abs(change) > 1e-3), max_size=40)


def parts(changes):
    return [
        Part(feature=f"f{place}", words=f"feature {place}", contribution=each) for place, each in enumerate(changes)
    ]


def made(changes, *, base=-1.0, margin=None, score=None, to_score=logistic):
    margin = base + math.fsum(changes) if margin is None else margin
    score = logistic(margin) if score is None else score
    return waterfall(parts(changes), base_margin=base, margin=margin, score=score, to_score=to_score)


@given(CHANGES, st.floats(-3, 3))
def test_steps_lead_from_the_base_value_to_the_margin_and_the_heaviest_come_first(changes, base):
    why = made(changes, base=base)
    first, *between, last = why.steps
    assert first.end == base
    assert last.end == why.margin
    at = base
    for step in between:
        assert step.start == at
        assert step.end == pytest.approx(at + step.change)
        assert step.score == pytest.approx(logistic(step.end))
        at = step.end
    assert at == pytest.approx(why.margin, abs=1e-9)
    assert why.adds_up
    assert why.score_follows
    weights = [abs(step.change) for step in between if step.words]
    assert weights == sorted(weights, reverse=True)
    named = [each for each in changes if each]
    assert len(weights) == min(12, len(named))


def test_the_rest_is_one_step_and_nothing_is_left_out_of_the_sum():
    why = made([1.0] * 12 + [0.25, 0.125, 0.0])
    assert [step.name for step in why.steps[-2:]] == ["3 other features", "This score"]
    assert why.steps[-2].change == 0.375
    assert made([2.0, 0.0]).steps[-2].name == "f0"


def test_contributions_that_miss_the_margin_are_said_to():
    why = made([1.0, 0.5], margin=0.6)
    assert not why.adds_up
    assert why.difference == pytest.approx(-0.1)


def test_scores_between_are_not_made_up_where_the_margin_does_not_give_the_score():
    why = made([1.0], score=0.9)
    assert not why.score_follows
    assert [step.score for step in why.steps] == [None, None, 0.9]


def test_what_raised_and_lowered_it_is_said_in_words_the_strongest_first():
    why = made([0.5, -2.0, 3.0, -0.1, 0.2, 0.1])
    assert why.raised == ("feature 2", "feature 0", "feature 4")
    assert why.lowered == ("feature 1", "feature 3")


def test_a_pair_of_margin_and_score_tells_the_common_links():
    assert scores_of_margins(0.3, logistic(0.3)) is logistic
    assert scores_of_margins(12.5, 12.5)(3.0) == 3.0
    assert scores_of_margins(0.3, 0.7) is None
