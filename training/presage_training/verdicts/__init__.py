"""Verdicts: is one version of a model better than another, by what visitors did after both had scored them?

``outcomes`` joins the pairs of the event log to what came of them, ``comparing`` measures both versions on the same rows, and
``deciding`` says what follows for a challenger. All of it is pure but for ``reading`` and ``daily``, which read archives.
"""

from __future__ import annotations

from presage_training.verdicts.comparing import Comparison, Estimate, compare
from presage_training.verdicts.deciding import Action, Decision, DecisionRules, decide
from presage_training.verdicts.outcomes import find_outcomes
from presage_training.verdicts.reading import read_pairs
from presage_training.verdicts.rows import PairedRows, Unmatched
from presage_training.verdicts.sequence import Interval, confidence_sequence

__all__ = [
    "Action",
    "Comparison",
    "Decision",
    "DecisionRules",
    "Estimate",
    "Interval",
    "PairedRows",
    "Unmatched",
    "compare",
    "confidence_sequence",
    "decide",
    "find_outcomes",
    "read_pairs",
]
