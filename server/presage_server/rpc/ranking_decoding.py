"""From the wire to ranking jobs: what a list is asked for with, checked field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer import money_micros
from presage_featurizer.ranking.retrieval import DEFAULT_COUNT
from presage_server.errors import InvalidRequestError
from presage_server.ranking.jobs import ItemConditions
from presage_server.rpc.decoding import COUNTRY
from presage_server.rpc.limits import (
    MAX_CANDIDATES,
    MAX_CONDITIONS,
    MAX_ID_BYTES,
    MAX_PRICE,
    MAX_RANKED_ITEMS,
    MAX_VALUE,
)

__all__ = ["Wanted", "decode_candidates", "decode_conditions", "decode_context", "decode_count", "decode_item_id"]

_EXCLUSIONS = frozenset(number for number in pb.Exclusion.values() if number)


class Wanted(NamedTuple):
    """What a ``RankContext`` asks for."""

    placement: str = ""
    budget_micros: int | None = None
    anchor_id: str = ""
    conditions: ItemConditions | None = None
    exclude: frozenset[int] = frozenset()
    country: str = ""


def decode_candidates(candidate_ids: Sequence[str], field: str = "candidate_ids") -> list[str]:
    """Check the items to rank: at most MAX_CANDIDATES, each once.

    Raises:
        InvalidRequestError: There are too many, or one is empty, too long, or there twice.
    """
    count = len(candidate_ids)
    if count > MAX_CANDIDATES:
        raise InvalidRequestError(f"expected at most {MAX_CANDIDATES}, got {count}", field=field)
    found = list(candidate_ids)
    distinct = set(found)
    if len(distinct) < count:
        first: dict[str, int] = {}
        for place, item_id in enumerate(found):
            if item_id in first:
                raise InvalidRequestError(
                    f"expected each item once, got that of {field}[{first[item_id]}] again",
                    field=f"{field}[{place}]",
                )
            first[item_id] = place
    if count and ("" in distinct or max(map(len, found)) * 4 > MAX_ID_BYTES):
        for place, item_id in enumerate(found):
            decode_item_id(item_id, f"{field}[{place}]")
    return found


def decode_item_id(item_id: str, field: str) -> str:
    """Check an item's id: 1 to MAX_ID_BYTES bytes."""
    size = len(item_id.encode())
    if not 1 <= size <= MAX_ID_BYTES:
        raise InvalidRequestError(f"expected 1 to {MAX_ID_BYTES} bytes, got {size or 'none'}", field=field)
    return item_id


def decode_count(k: int, candidates: int = 0) -> int:
    """Check how many items are wanted; 0 becomes all candidates, or 20 without any.

    Raises:
        InvalidRequestError: It is negative, more than MAX_RANKED_ITEMS, or more than the candidates, if there are any.
    """
    if not 0 <= k <= MAX_RANKED_ITEMS:
        raise InvalidRequestError(f"expected 0 to {MAX_RANKED_ITEMS}, got {k}", field="k")
    if not candidates:
        return k or DEFAULT_COUNT
    if k > candidates:
        raise InvalidRequestError(f"expected at most as many as candidate_ids, {candidates}, got {k}", field="k")
    return k or candidates


def decode_context(context: pb.RankContext) -> Wanted:
    """Check for what and where a list is shown; whether the placement exists is checked by those who know them.

    Raises:
        InvalidRequestError: A field breaks the contract; the error names it.
    """
    budget_micros = None
    if context.HasField("budget"):
        budget_micros = _decode_money(context.budget, MAX_VALUE, "context.budget")
    anchor_id, country = context.anchor_item_id, context.country_code
    if country and not COUNTRY.fullmatch(country):
        raise InvalidRequestError(
            f"expected an ISO 3166-1 alpha-2 code in capitals, got {country[:32]!r}", field="context.country_code"
        )
    for place, number in enumerate(context.exclude):
        if number not in _EXCLUSIONS:
            raise InvalidRequestError(
                f"expected {min(_EXCLUSIONS)} to {max(_EXCLUSIONS)}, got {number}", field=f"context.exclude[{place}]"
            )
    return Wanted(
        _decode_name(context.placement, "context.placement"),
        budget_micros,
        decode_item_id(anchor_id, "context.anchor_item_id") if anchor_id else "",
        decode_conditions(context.filter, "context.filter") if context.HasField("filter") else None,
        frozenset(context.exclude),
        country,
    )


def decode_conditions(message: pb.ItemFilter, field: str) -> ItemConditions | None:
    """Check the conditions that items must meet; None if there are none.

    Raises:
        InvalidRequestError: A condition breaks the contract, or no price can meet it; the error names it.
    """
    least = _decode_price(message.min_price, f"{field}.min_price") if message.HasField("min_price") else None
    most = _decode_price(message.max_price, f"{field}.max_price") if message.HasField("max_price") else None
    if least is not None and most is not None and least > most:
        raise InvalidRequestError(
            f"expected at most max_price, {most:g}, got {least:g}: no price is both", field=f"{field}.min_price"
        )
    conditions = ItemConditions(
        _decode_names(message.categories, f"{field}.categories"),
        _decode_names(message.brands, f"{field}.brands"),
        _decode_names(message.tags, f"{field}.tags"),
        least,
        most,
    )
    return conditions if conditions != _NO_CONDITIONS else None


_NO_CONDITIONS = ItemConditions()


def _decode_names(names: Sequence[str], field: str) -> tuple[str, ...]:
    if len(names) > MAX_CONDITIONS:
        raise InvalidRequestError(f"expected at most {MAX_CONDITIONS}, got {len(names)}", field=field)
    return tuple([decode_item_id(name, f"{field}[{place}]") for place, name in enumerate(names)])


def _decode_name(name: str, field: str) -> str:
    if len(name.encode()) > MAX_ID_BYTES:
        raise InvalidRequestError(f"expected at most {MAX_ID_BYTES} bytes, got {len(name.encode())}", field=field)
    return name


def _decode_money(amount: float, most: float, field: str) -> int:
    return money_micros(_decode_amount(amount, most, field))


def _decode_price(price: float, field: str) -> float:
    return _decode_amount(price, MAX_PRICE, field)


def _decode_amount(amount: float, most: float, field: str) -> float:
    if not 0 <= amount <= most:  # also false for NaN
        raise InvalidRequestError(f"expected 0 to {most:g}, got {amount:g}", field=field)
    return amount
