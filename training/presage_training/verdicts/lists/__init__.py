"""Verdicts on versions of ranking models: whose order of the same candidates was nearer to what visitors then took?

Clicks favour the list that was shown: visitors are likely to take an item near the top, and cannot take one that is not there. So
lists shown by either version count, each direction for half (``comparing``); where only one version was shown, it can only be said
that the other one is better in spite of that.
"""

from __future__ import annotations

from presage_training.verdicts.lists.comparing import ListComparison, compare_lists
from presage_training.verdicts.lists.deciding import decide_lists
from presage_training.verdicts.lists.outcomes import DEFAULT_TARGETS, ListTarget, parse_list_target
from presage_training.verdicts.lists.reading import has_exposures, read_paired_lists
from presage_training.verdicts.lists.rows import PairedLists

__all__ = [
    "DEFAULT_TARGETS",
    "ListComparison",
    "ListTarget",
    "PairedLists",
    "compare_lists",
    "decide_lists",
    "has_exposures",
    "parse_list_target",
    "read_paired_lists",
]
