"""Events of a simulated shop with numbers and labels, which the simulator does not give them."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from presage_featurizer import Event, EventType

__all__ = ["with_attributes"]

_CHANNELS = ("email", "ads", "search", "affiliate")
_CAMPAIGNS = ("spring", "summer", "autumn")


def with_attributes(event: Event) -> Event:
    """Add numbers and labels to an event; what they are depends on its id alone. Some events lack some of them."""
    random = Random(event.event_id)
    numbers: dict[str, float] = {}
    labels: dict[str, str] = {}
    if event.type == EventType.VIEW_ITEM and random.random() < 0.9:
        numbers["margin"] = round(random.gauss(8.0, 10.0), 3)
    if random.random() < 0.6:
        numbers["scroll"] = random.random()
    if random.random() < 0.3:
        labels["campaign"] = random.choice(_CAMPAIGNS)
    if random.random() < 0.5:
        labels["channel"] = random.choice(_CHANNELS)
    if event.type == EventType.SEARCH:
        labels["query"] = f"query {random.randrange(200)}"
    return replace(event, numbers=numbers, labels=labels)
