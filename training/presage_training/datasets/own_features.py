"""Finds declared features that a log cannot fill: their attributes are missing from it, or no event fits their conditions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from presage_featurizer import Event
from presage_featurizer.aggregates.attributes import value_of
from presage_featurizer.own_features import OwnFeatures
from presage_training.datasets.dataset import Dataset

__all__ = ["UnseenAttributes", "always_default"]


class UnseenAttributes:
    """The attributes that a project's declared features name, without those that an event of the log has."""

    def __init__(self, custom: OwnFeatures | None) -> None:
        self._features: dict[str, list[str]] = {}
        for name, parts in _declared(custom):
            for attribute in {parts.get("of", ""): None, **parts.get("where", {})}:
                if attribute:
                    self._features.setdefault(attribute, []).append(name)
        self._unseen = {attribute: _has(attribute) for attribute in self._features}

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on, and look at what they have."""
        remaining = iter(events)
        for event in remaining:
            if not self._unseen:
                yield event
                break
            for attribute in [attribute for attribute, has in self._unseen.items() if has(event)]:
                del self._unseen[attribute]
            yield event
        yield from remaining

    @property
    def remarks(self) -> tuple[str, ...]:
        """A sentence for each attribute that no event had."""
        return tuple(
            f"No event of the log has {attribute}, which {', '.join(self._features[attribute])} "
            f"{'reads' if len(self._features[attribute]) == 1 else 'read'}: name its column in the mapping, or remove the feature."
            for attribute in self._unseen
        )


def always_default(dataset: Dataset) -> tuple[str, ...]:
    """Return the declared features of a dataset that are their default in every row."""
    places = {name: place for place, name in enumerate(dataset.feature_set.features)}
    return tuple(
        name
        for name, parts in _declared(dataset.feature_set.custom)
        if name in places and (dataset.features[:, places[name]] == np.float32(parts.get("default", 0.0))).all()
    )


def _declared(custom: OwnFeatures | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if custom is None:
        return
    for name, definition in custom.definitions.items():
        if name not in custom.in_python:
            yield name, json.loads(definition)


def _has(attribute: str) -> Callable[[Event], bool]:
    """Return a function that says whether an event has an attribute."""
    owner, _, name = attribute.partition(".")
    match owner:
        case "numbers":
            return lambda event: name in event.numbers
        case "labels":
            return lambda event: name in event.labels
        case "item":
            read = attrgetter("price_micros" if name == "price" else name)
            return lambda event: any(map(read, event.items))
        case "value":
            return lambda event: value_of(event) is not None
    read = attrgetter(owner)
    return lambda event: bool(read(event))
