"""Has a visitor shop, and gets a score: ``python visit.py ADDRESS MODEL FEATURE``; fails if another model answers."""

from __future__ import annotations

import math
import sys

from presage_client import Client, Event, EventType, Item


def main(address: str, model: str, feature: str) -> None:
    """Send two events, then print the score and the value of the feature."""
    with Client(address) as presage:
        lamp = Item(item_id="LA-07", category="Lampen", price=39.90)
        presage.track(Event(type=EventType.VIEW_ITEM, user_id="ada", items=[lamp]))
        presage.track(Event(type=EventType.ADD_TO_CART, user_id="ada", items=[lamp]))
        prediction = presage.score("ada")
        value = presage.features("ada")[feature]
    if prediction.model != model or prediction.degraded or prediction.cold_start or prediction.no_session:
        raise SystemExit(f"expected a score of ada's session by {model}, got {prediction}")
    if not (0.0 < prediction.score < 1.0 and math.isfinite(value)):
        raise SystemExit(f"expected a probability and a finite {feature}, got {prediction.score} and {value}")
    sys.stdout.write(f"{prediction.score:.3f} from {prediction.model}, {feature} = {value:g}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
