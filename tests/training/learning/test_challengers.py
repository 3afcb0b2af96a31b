"""Challengers with known truth, looked at 60 times: a worse one is rolled back, a better one promoted, an equal one neither."""

from __future__ import annotations

import numpy as np
import pytest
from training.verdicts.simulated import pairs

from presage_export.registry import Aliases
from presage_training.learning import LearnOptions
from presage_training.learning.challengers import judge_challenger

LOOKS = 60
ROWS_OF_A_LOOK = 150
ALIASES = Aliases(champion="3", challenger="4", challenger_share=0.2, salt="4", prior="1", holdout_share=0.02)
OPTIONS = LearnOptions(draws=2)


def looked_at(**truth):
    """Look at growing pairs until something follows; returns the last verdict and how many looks it took."""
    rows = pairs(LOOKS * ROWS_OF_A_LOOK, **truth)
    judged = None
    for look in range(1, LOOKS + 1):
        judged = judge_challenger(rows.take(np.arange(look * ROWS_OF_A_LOOK)), ALIASES, OPTIONS)
        if judged.aliases is not None:
            return judged, look
    return judged, LOOKS


@pytest.mark.parametrize("seed", range(3))
def test_a_worse_challenger_is_rolled_back(seed):
    judged, look = looked_at(noise_b=1.5, seed=seed)
    assert judged.verdict == "roll back"
    assert (judged.aliases.champion, judged.aliases.challenger, judged.aliases.prior) == ("3", "", "1")
    assert "higher (between" in judged.reason
    assert look < LOOKS


@pytest.mark.parametrize("seed", range(3))
def test_a_better_challenger_is_promoted(seed):
    judged, look = looked_at(noise_a=1.5, seed=seed)
    assert judged.verdict == "promote"
    assert (judged.aliases.champion, judged.aliases.challenger, judged.aliases.prior) == ("4", "", "1")
    assert "lower (between" in judged.reason
    assert look < LOOKS


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 5))])
def test_an_equal_challenger_is_neither_in_all_looks(seed):
    judged, look = looked_at(seed=seed)
    assert (judged.verdict, judged.aliases, look) == ("continue", None, LOOKS)


def test_an_equal_challenger_is_dropped_when_its_time_is_over():
    judged = judge_challenger(pairs(2_000), ALIASES, OPTIONS, is_out_of_time=True)
    assert judged.verdict == "give up"
    assert (judged.aliases.champion, judged.aliases.challenger) == ("3", "")
    assert "neither better nor worse in 336 hours" in judged.reason
