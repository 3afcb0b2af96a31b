"""What Presage answers, in the shop's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from presage_client import Arm, Contribution, Intent
from presage_console.formats import MINUS

__all__ = ["ARMS", "INTENTS", "euros", "points", "reasons_in_words", "signed", "split_reason"]

INTENTS: Final = {
    Intent.UNSPECIFIED: "nothing yet",
    Intent.TRANSACTIONAL: "about to buy",
    Intent.COMPARING: "comparing",
    Intent.BROWSING: "looking around",
    Intent.RETURNING: "back for something known",
    Intent.BARGAIN: "after a bargain",
}
"""What a session seems to be about."""

ARMS: Final = {
    Arm.UNSPECIFIED: "",
    Arm.CHAMPION: "",
    Arm.CHALLENGER: "on trial, for a share of the visitors",
    Arm.HOLDOUT: "for those who are held out",
}
"""Why a version serves this visitor, where that is worth a word."""

_REASONS: Final = {
    "viewed_in_session": "you looked at it",
    "bought_before": "you bought it before",
    "seen_with_your_items": "seen together with yours",
    "often_next": "others looked at it next",
    "liked_by_similar_visitors": "liked by visitors like you",
    "same_brand": "same brand",
    "same_category": "same category",
    "cheaper": "cheaper than what you look at",
    "similar_price": "about the same price",
    "trending": "trending",
    "popular": "popular",
    "new": "new",
}
_MOST_REASONS: Final = 2
_LEAST: Final = 0.005


def reasons_in_words(codes: Iterable[str]) -> str:
    """Say why an item is in a list; codes that a newer server has are shown as they are."""
    return ", ".join([_REASONS.get(code, code.replace("_", " ")) for code in codes][:_MOST_REASONS])


def euros(amount: float) -> str:
    """Write a price."""
    return f"€{amount:,.2f}" if amount % 1 else f"€{amount:,.0f}"


def signed(amount: float) -> str:
    """Write what is added or taken, such as +0.81, with a minus sign as text has it."""
    return f"{'+' if amount >= 0 else MINUS}{abs(amount):.2f}"


def points(difference: float) -> str:
    """Say how much a score moved, from 0 to 1, in points of a hundred."""
    if abs(difference) < _LEAST / 10:
        return "unchanged"
    return f"{'up' if difference > 0 else 'down'} {abs(difference) * 100:.1f} points"


def split_reason(contribution: Contribution) -> str:
    """Return a contribution's reason without its amount: "1 addition to the cart in this session"."""
    return contribution.reason.rpartition(", ")[0] or contribution.feature
