"""A declared feature: an aggregate, and how its slot is read."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn, cast, get_args

from presage_featurizer.aggregates import MAX_CAP, Aggregate, Attribute, attribute_named
from presage_featurizer.aggregates.aggregate import KINDS, Kind, Over
from presage_featurizer.custom.conditions import read_conditions
from presage_featurizer.custom.shape import FeatureShape
from presage_featurizer.errors import FeatureSetError
from presage_featurizer.events import MICROS, EventType

__all__ = ["UNITS", "Declared", "declared_feature"]

UNITS = {"seconds": MICROS, "minutes": 60 * MICROS, "hours": 3_600 * MICROS, "days": 86_400 * MICROS}
"""The units of ``time_since_last``, in microseconds."""

_DEFAULT_CAP = 64
_MAX_HALF_LIFE_DAYS = 36_500
_MAX_VALUES = 256
_MAX_DEFAULT = 3e38  # what a float32 holds

_KEYS: dict[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "count": ((), ()),
    "sum": (("of",), ()),
    "min": (("of",), ()),
    "max": (("of",), ()),
    "last": (("of",), ("values",)),
    "distinct": (("of",), ("cap",)),
    "decayed_sum": (("half_life_days",), ("of",)),
    "time_since_last": ((), ("unit",)),
}
"""The keys that each aggregate needs, and those that it may have; all may have events, where and default."""

_OWN_KEYS = ("of", "values", "cap", "half_life_days", "unit")


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A declared feature that has been checked."""

    name: str
    aggregate: Aggregate
    values: tuple[str, ...]
    """The texts that ``last`` numbers from 1."""
    unit: str
    """What the feature counts or measures."""
    default: float
    """Its value without history."""

    @property
    def definition(self) -> str:
        """Canonical JSON of all that determines its value."""
        parts = json.loads(self.aggregate.definition)
        if self.default:
            parts["default"] = self.default
        if self.values:
            parts["values"] = self.values
        if self.aggregate.kind == "time_since_last":
            parts["unit"] = self.unit
        return json.dumps(parts, sort_keys=True, separators=(",", ":"))


def declared_feature(name: str, shape: FeatureShape) -> Declared:
    """Check a declared feature.

    Raises:
        FeatureSetError: A key is missing, of no use or wrong; the message names it.
    """
    key = f"features.{name}"
    if shape.aggregate not in KINDS:
        _fail(f"{key}.aggregate", f"one of {', '.join(KINDS)}", shape.aggregate)
    kind: Kind = shape.aggregate
    if shape.over not in get_args(Over):
        _fail(f"{key}.over", "session or visitor", shape.over)
    over = cast("Over", shape.over)
    _check_keys(key, kind, shape)
    events = _events(key, over, shape.events)
    attribute = None if shape.of is None else _attribute(key, kind, shape.of)
    aggregate = Aggregate(
        kind=kind,
        over=over,
        of=shape.of or "",
        events=events,
        where=read_conditions(key, shape.where),
        cap=_cap(key, shape.cap) if kind == "distinct" else 0,
        half_life_micros=0 if shape.half_life_days is None else _half_life(key, shape.half_life_days),
    )
    if not math.isfinite(shape.default) or abs(shape.default) > _MAX_DEFAULT:
        _fail(f"{key}.default", "a finite number", shape.default)
    return Declared(
        name=name,
        aggregate=aggregate,
        values=_values(key, shape.values, attribute) if kind == "last" else (),
        unit=_unit(key, aggregate, shape.unit),
        default=float(shape.default),
    )


def _check_keys(key: str, kind: Kind, shape: FeatureShape) -> None:
    needed, optional = _KEYS[kind]
    for name in _OWN_KEYS:
        given = getattr(shape, name) is not None
        if name in needed and not given:
            raise FeatureSetError(f"{key}.{name}: {kind} needs it; add {name} = {_EXAMPLES[name]}")
        if given and name not in needed and name not in optional:
            raise FeatureSetError(f"{key}.{name}: {kind} has no use for it; remove it")


_EXAMPLES = {"of": '"numbers.margin"', "half_life_days": "7"}


def _events(key: str, over: Over, names: list[str] | None) -> tuple[EventType, ...]:
    if names is None:
        return ()
    known = {kind.name: kind for kind in EventType if kind}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        _fail(f"{key}.events", f"at least one of {', '.join(known)}", unknown)
    if over == "session" and set(names) == {"REFUND"}:
        raise FeatureSetError(f'{key}.events: refunds belong to no session; write over = "visitor"')
    return tuple(sorted({known[name] for name in names}))


def _attribute(key: str, kind: Kind, name: str) -> Attribute:
    attribute = attribute_named(name)
    expected: str = "numbers.NAME, value, item.price or item.quantity"
    text = "labels.NAME, item.category, item.brand or item.item_id"
    fits = attribute is not None and attribute.kind == "number"
    if kind in ("last", "distinct"):
        expected = text if kind == "distinct" else f"{expected}, {text}"
        is_text = attribute is not None and attribute.kind == "text" and name != "country"
        fits = is_text if kind == "distinct" else fits or is_text
    if attribute is None or not fits:
        _fail(f"{key}.of", f"{expected} for {kind}", name)
    return attribute


def _cap(key: str, cap: int | None) -> int:
    if cap is None:
        return _DEFAULT_CAP
    if not 1 <= cap <= MAX_CAP:
        _fail(f"{key}.cap", f"1 to {MAX_CAP}", cap)
    return cap


def _half_life(key: str, days: float) -> int:
    micros = round(days * UNITS["days"]) if 0 < days <= _MAX_HALF_LIFE_DAYS else 0
    if not micros:
        _fail(f"{key}.half_life_days", f"more than 0, at most {_MAX_HALF_LIFE_DAYS}", days)
    return micros


def _values(key: str, values: list[str] | None, attribute: Attribute | None) -> tuple[str, ...]:
    is_text = attribute is not None and attribute.kind == "text"
    if is_text and not values:
        raise FeatureSetError(
            f'{key}.values: the last text needs them; list the texts to tell apart, such as ["email", "ads"]'
        )
    if values is not None and not is_text:
        raise FeatureSetError(f"{key}.values: the last number has no use for them; remove them")
    if values and (len(set(values)) != len(values) or len(values) > _MAX_VALUES or not all(values)):
        _fail(f"{key}.values", f"at most {_MAX_VALUES} texts, each once and none empty", values)
    return tuple(values or ())


def _unit(key: str, aggregate: Aggregate, unit: str | None) -> str:
    if unit is not None and unit not in UNITS:
        _fail(f"{key}.unit", f"one of {', '.join(UNITS)}", unit)
    attribute = aggregate.attribute
    match aggregate.kind:
        case "time_since_last":
            return unit or "seconds"
        case "count":
            return "items" if aggregate.over_items else "events"
        case "distinct":
            return "values"
        case "decayed_sum":
            return "score"
    assert attribute is not None
    if attribute.kind == "text":
        return "index"
    return "currency" if attribute.scale != 1 else "number"


def _fail(key: str, expected: str, got: Any) -> NoReturn:
    raise FeatureSetError(f"{key}: expected {expected}, got {got!r}")
