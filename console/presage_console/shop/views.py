"""What the page shows, made from what Presage answered and what the shop remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from presage_client import Contribution, Prediction, RankedItem
from presage_console.shop.backend import candidates_of
from presage_console.shop.products import Category, Product, Shelf
from presage_console.shop.storefront import Shown
from presage_console.shop.visits import Visit
from presage_console.shop.words import ARMS, INTENTS, euros, points, reasons_in_words, signed, split_reason

__all__ = ["Card", "Reason", "ScoreView", "ShopView", "make_view", "sparkline"]

_REASONS: Final = 4
_CHANGES: Final = 3
_LEAST_CHANGE: Final = 0.02
_BAR: Final = 50.0
_SPARK_WIDTH, _SPARK_HEIGHT = 200.0, 44.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One line of an explanation, or of what a click changed in it."""

    text: str
    amount: str
    is_plus: bool
    bar_start: float
    """Where its bar begins and how long it is, in percent of a bar whose middle is 0."""
    bar_length: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreView:
    """The score, and how it came about."""

    percent: str
    moved: str
    """``up 4.1 points``, ``down …``, ``unchanged``, or empty for the first score."""
    direction: str
    """``up``, ``down`` or empty."""
    model: str
    trial: str
    """Why another version than the champion serves; mostly empty."""
    is_prior: bool
    """Whether no model was trained yet: everyone gets the same."""
    line: str
    """The points of a line through the last scores, for SVG."""
    dot: tuple[float, float]
    """The place of the newest score in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One product in a list."""

    product: Product
    price: str
    place: int
    moved: int
    """How many places it moved up since the list before, below 0 for down."""
    is_new: bool
    """Whether it was not in the list before, where there was one."""
    why: str
    instead: str
    """What it is a cheaper alternative to; mostly empty."""
    above_budget: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ShopView:
    """All that one answer shows."""

    visit: Visit
    request_id: str
    """The id of the next click."""
    categories: Sequence[Category]
    title: str
    score: ScoreView | None
    intent: str
    reasons: Sequence[Reason]
    changes: Sequence[Reason]
    """What the last click changed in the reasons, the largest first."""
    cards: Sequence[Card]
    is_ranked: bool
    """Whether Presage made the list; otherwise it is in the shop's own order."""
    looking_at: Product | None
    looking_at_price: str
    similar: Sequence[Card]
    total: str
    left: str
    """What is left of the budget; empty without one."""


def make_view(visit: Visit, shown: Shown, shelf: Shelf, *, request_id: str) -> ShopView:
    """Make the page of a visitor."""
    insight = shown.insight
    ranked = insight.ranking.items if insight.ranking is not None else ()
    similar = insight.similar.items if insight.similar is not None else ()
    explained = insight.explanation.contributions if insight.explanation is not None else ()
    looking_at = shelf.products.get(visit.looking_at)
    left = visit.left_of_budget
    return ShopView(
        visit=visit,
        request_id=request_id,
        categories=tuple(shelf.categories.values()),
        title=_title(visit, shelf),
        score=_score(visit, shown, insight.prediction),
        intent=INTENTS.get(insight.ranking.intent, "") if insight.ranking is not None else "",
        reasons=_reasons(explained),
        changes=_changes(explained, shown.contributions_before),
        cards=_cards(ranked, shown.places_before, visit, shelf) if ranked else _own_order(visit, shelf),
        is_ranked=bool(ranked),
        looking_at=looking_at,
        looking_at_price=euros(looking_at.price) if looking_at is not None else "",
        similar=_cards(similar, {}, visit, shelf),
        total=euros(visit.cart_value),
        left=euros(left) if left is not None else "",
    )


def _title(visit: Visit, shelf: Shelf) -> str:
    if visit.words:
        return f"Found for “{visit.words}”"
    return shelf.categories[visit.category].title if visit.category else "For you"


def _score(visit: Visit, shown: Shown, prediction: Prediction | None) -> ScoreView | None:
    if prediction is None:
        return None
    before = shown.score_before
    moved = 0.0 if before is None else prediction.score - before
    line, dot = sparkline(visit.scores or [prediction.score])
    return ScoreView(
        percent=f"{prediction.score * 100:.1f}",
        moved="" if before is None else points(moved),
        direction="" if points(moved) == "unchanged" else "up" if moved > 0 else "down",
        model=f"{prediction.model} {prediction.model_version}",
        trial=ARMS.get(prediction.arm, ""),
        is_prior=prediction.prior,
        line=line,
        dot=dot,
    )


def sparkline(scores: Sequence[float]) -> tuple[str, tuple[float, float]]:
    """Return the points of a line through scores from 0 to 1, from left to right, and the last point."""
    step = _SPARK_WIDTH / max(1, len(scores) - 1)
    found = [
        (round(number * step if len(scores) > 1 else _SPARK_WIDTH, 1), round((1.0 - score) * _SPARK_HEIGHT, 1))
        for number, score in enumerate(scores)
    ]
    return " ".join(f"{x},{y}" for x, y in found), found[-1]


def _reasons(contributions: Sequence[Contribution]) -> Sequence[Reason]:
    heaviest = sorted(contributions, key=lambda each: -abs(each.contribution))[:_REASONS]
    most = max((abs(each.contribution) for each in heaviest), default=1.0) or 1.0
    return [_reason(split_reason(each), each.contribution, most) for each in heaviest if each.contribution]


def _changes(contributions: Sequence[Contribution], before: Mapping[str, float]) -> Sequence[Reason]:
    """Return what adds most to the difference of two margins."""
    if not before:
        return ()
    moved = [(each.contribution - before.get(each.feature, 0.0), each) for each in contributions]
    largest = sorted(moved, key=lambda pair: -abs(pair[0]))[:_CHANGES]
    return [_reason(split_reason(each), by, 1.0) for by, each in largest if abs(by) >= _LEAST_CHANGE]


def _reason(text: str, amount: float, most: float) -> Reason:
    length = round(min(abs(amount) / most, 1.0) * _BAR, 1)
    return Reason(
        text=text,
        amount=signed(amount),
        is_plus=amount >= 0,
        bar_start=_BAR if amount >= 0 else _BAR - length,
        bar_length=length,
    )


def _cards(
    ranked: Sequence[RankedItem], places_before: Mapping[str, int], visit: Visit, shelf: Shelf
) -> Sequence[Card]:
    known = [(item, shelf.products[item.item_id]) for item in ranked if item.item_id in shelf.products]
    cards = []
    for place, (item, product) in enumerate(known, 1):
        before = places_before.get(item.item_id)
        after = [other for _, other in known[place:]]
        cards.append(
            _card(
                product,
                visit,
                place=place,
                moved=0 if before is None else before - place,
                is_new=bool(places_before) and before is None,
                why=reasons_in_words(item.reasons),
                instead=_instead_of(product, after, visit) if "cheaper_alternatives" in item.rules else "",
            )
        )
    return cards


def _own_order(visit: Visit, shelf: Shelf) -> Sequence[Card]:
    return [
        _card(shelf.products[item_id], visit, place=place)
        for place, item_id in enumerate(candidates_of(visit, shelf)[:12], 1)
    ]


def _card(
    product: Product,
    visit: Visit,
    *,
    place: int,
    moved: int = 0,
    is_new: bool = False,
    why: str = "",
    instead: str = "",
) -> Card:
    left = visit.left_of_budget
    return Card(
        product=product,
        price=euros(product.price),
        place=place,
        moved=moved,
        is_new=is_new,
        why=why,
        instead=instead,
        above_budget=left is not None and product.price > left,
    )


def _instead_of(product: Product, after: Iterable[Product], visit: Visit) -> str:
    """Return the name of what a cheaper alternative goes ahead of: the next product of its kind that the budget has no room for."""
    left = visit.left_of_budget
    return next(
        (
            other.name
            for other in after
            if other.category == product.category and left is not None and other.price > max(left, product.price)
        ),
        "",
    )
