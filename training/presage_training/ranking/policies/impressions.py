"""Lists as visitors saw them: what VIEW_ITEM_LIST events say was shown where, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from presage_featurizer import Event
from presage_featurizer.events import EventType
from presage_featurizer.ranking.items_counter import item_number

__all__ = ["Impressions", "SeenList"]


@dataclass(slots=True)
class SeenList:
    """One ranking as it was seen. Items are named by the numbers of their digests."""

    shown: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Each item's place, from 1, and its propensity; 0 where the event has none."""
    rewarded: set[int] = field(default_factory=set)
    """Items that were clicked, or whatever else counts."""


class Impressions:
    """Gathers the lists of a log by the id of their ranking.

    Args:
        reward: The type of event that counts, such as a click; its items must name the ranking.
    """

    def __init__(self, reward: EventType = EventType.SELECT_ITEM) -> None:
        self.lists: dict[str, SeenList] = {}
        self.anonymous = 0
        """Items in VIEW_ITEM_LIST events without the id of a ranking."""
        self.unattributed = 0
        """Items in events that count without the id of a ranking."""
        self._reward = reward

    def add(self, event: Event) -> None:
        """Note what an event says of lists."""
        if event.type == EventType.VIEW_ITEM_LIST:
            for item in event.items:
                shown = item.shown
                if shown is None or not shown.rank_id or not shown.position:
                    self.anonymous += 1
                else:
                    # The first impression counts: a list that is seen again was drawn once.
                    place = shown.position, shown.propensity
                    self._list(shown.rank_id).shown.setdefault(item_number(item.item_id), place)
        elif event.type == self._reward:
            for item in event.items:
                if item.shown is None or not item.shown.rank_id:
                    self.unattributed += 1
                else:
                    self._list(item.shown.rank_id).rewarded.add(item_number(item.item_id))

    def _list(self, rank_id: str) -> SeenList:
        found = self.lists.get(rank_id)
        if found is None:
            found = self.lists[rank_id] = SeenList()
        return found
