"""Sessions with lists that two versions of a ranking model have scored, and what visitors took, in columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PairedLists"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedLists:
    """One row for each session of a visitor, in the order in which the outcomes became known; means over the session's lists."""

    names: tuple[str, str]
    """What A and B are called in sentences, such as ``ranking/3``."""
    target: str
    """As ``parse_list_target`` reads it."""
    k: int
    """How many places of each order count."""
    users: NDArray[np.int64]
    """The visitor's number."""
    ndcg_a: Floats
    """Of the first k of A's order: items taken gain 1. 0 where neither version has a taken item among its first k."""
    ndcg_b: Floats
    reciprocal_rank_a: Floats
    """1 / the place of the first item taken; 0 if it is not among the first k."""
    reciprocal_rank_b: Floats
    overlap: Floats
    """The share of the first k that both versions have there."""
    found: Flags
    """Whether either version had a taken item among its first k."""
    took: Flags
    """Whether the visitor took an item of a list as it was returned."""
    purchased: Flags
    """Whether the visitor bought anything while the outcome was waited for."""
    arms: NDArray[np.int8]
    """A number of ``presage.v1.Arm``."""
    propensities: Floats
    """The share of visitors that had this arm."""
    served_a: Flags
    """Whether the lists that the visitor got were the first version's."""
    served_b: Flags
    """Whether they were the second version's."""
    lists: int = 0
    """Lists in all rows."""
    waiting: int = 0
    """Sessions whose outcome is not known yet."""

    def __len__(self) -> int:
        return len(self.users)
