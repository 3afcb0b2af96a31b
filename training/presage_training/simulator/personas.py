"""The four kinds of customer that a price-sensitive shop has."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUDGET_HUNTER", "BUDGET_PRESSURED", "FOLLOWER", "PERSONAS", "QUALITY_SEEKER", "Persona"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Persona:
    """How one kind of customer shops; each visitor varies around it."""

    name: str
    """A short name."""
    share: float
    """Which part of the visitors is of this kind, 0 to 1."""
    purchase_intent: float
    """Log-odds that are added to every step towards a purchase."""
    price_sensitivity: float
    """How much a high price, relative to the category, puts off; 0 is not at all."""
    quality_preference: float
    """How much a better brand attracts; 0 is not at all."""
    trend_share: float
    """Chance that the next product looked at is one that customers with the same interests bought lately, 0 to 1."""
    group_interest: float
    """Chance to look at the group purchase of a product that is looked at, 0 to 1."""
    budget: float
    """What an order may typically cost, in euros."""
    removal_rate: float
    """Chance to take something out of a cart that costs more than the budget, 0 to 1."""
    abandonment_rate: float
    """Chance to leave when the cart still costs more than the budget, 0 to 1."""
    payday_effect: float
    """Log-odds that are added to the purchase intent around payday."""
    mean_visits_per_month: float
    """How often a visitor of this kind comes in 30 days, the first time included; at least 1."""

    def __post_init__(self) -> None:
        """Check the chances.

        Raises:
            ValueError: naming the field that is out of range.
        """
        for field in ("share", "trend_share", "group_interest", "removal_rate", "abandonment_rate"):
            if not 0.0 <= getattr(self, field) <= 1.0:
                raise ValueError(f"{field} must be between 0 and 1, got {getattr(self, field)}")
        if self.budget <= 0.0:
            raise ValueError(f"budget must be above 0, got {self.budget}")
        if self.mean_visits_per_month < 1.0:
            raise ValueError(f"mean_visits_per_month must be at least 1, got {self.mean_visits_per_month}")


BUDGET_HUNTER = Persona(
    name="budget_hunter",
    share=0.30,
    purchase_intent=-0.5,
    price_sensitivity=1.6,
    quality_preference=0.1,
    trend_share=0.05,
    group_interest=0.02,
    budget=90.0,
    removal_rate=0.45,
    abandonment_rate=0.10,
    payday_effect=0.1,
    mean_visits_per_month=5.0,
)
"""Compares prices over many visits and buys what is cheap."""

QUALITY_SEEKER = Persona(
    name="quality_seeker",
    share=0.30,
    purchase_intent=-0.2,
    price_sensitivity=0.2,
    quality_preference=0.9,
    trend_share=0.05,
    group_interest=0.01,
    budget=420.0,
    removal_rate=0.15,
    abandonment_rate=0.03,
    payday_effect=0.0,
    mean_visits_per_month=3.0,
)
"""Looks for good brands, and pays for them."""

FOLLOWER = Persona(
    name="follower",
    share=0.20,
    purchase_intent=-0.3,
    price_sensitivity=0.6,
    quality_preference=0.3,
    trend_share=0.65,
    group_interest=0.25,
    budget=180.0,
    removal_rate=0.25,
    abandonment_rate=0.06,
    payday_effect=0.1,
    mean_visits_per_month=4.0,
)
"""Looks at, and buys, what customers with the same interests bought lately."""

BUDGET_PRESSURED = Persona(
    name="budget_pressured",
    share=0.20,
    purchase_intent=-0.8,
    price_sensitivity=1.1,
    quality_preference=0.2,
    trend_share=0.10,
    group_interest=0.03,
    budget=45.0,
    removal_rate=0.85,
    abandonment_rate=0.35,
    payday_effect=1.3,
    mean_visits_per_month=4.0,
)
"""Fills a cart, takes out what the budget does not allow, leaves if that is not enough, and buys around payday."""

PERSONAS = (BUDGET_HUNTER, QUALITY_SEEKER, FOLLOWER, BUDGET_PRESSURED)
"""All of them; their shares add up to 1."""
