"""The calls that rank: 100 items for a visitor of a shop, with the answers that the peers' own model and features have to give.

The reference computes the features of a visitor and an item one by one, and slowly; no peer shares its code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import redis
from numpy.typing import NDArray

from benchmarks.peers.common.ranking_layout import (
    ITEM,
    ITEM_FEATURES,
    ITEM_PREFIX,
    OWN,
    OWN_PREFIX,
    PAIR_FEATURES,
    SESSION,
    SESSION_PREFIX,
)
from benchmarks.peers.dataset import Sample
from benchmarks.ranking.serving import copy_models
from benchmarks.ranking.shop import Shop, item_id
from benchmarks.ranking.world import World, make_world
from benchmarks.rig.server_parts import state_key, store_items, stored_state
from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.habits import EVENT_WEIGHTS

__all__ = ["CANDIDATES", "RankingData", "make_ranking_data"]

CANDIDATES = 100
"""Items of a call."""

_VISITORS = 2_000
_CALLS = 1_000
_FITTED_CALLS = 300
_TREES, _LEAVES = 60, 31
"""About those of a model that Presage trains."""
_HOUR_SECONDS = 3_600
_WINDOW_HOURS = (1, 6, 24, 1_000)
_KINDS = (EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE)
_HISTORY, _SESSION = 64, 20
_KEYS_PER_ROUND_TRIP = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingData:
    """A shop's items with their ready features, its visitors' items, and a model."""

    items: NDArray[np.void]
    """Of the type ITEM, by the item's number."""
    own: dict[str, NDArray[np.void]]
    """Of the type OWN, by visitor, the highest score first."""
    sessions: dict[str, NDArray[np.void]]
    """Of the type SESSION, by visitor."""
    booster: lightgbm.Booster
    samples: Sequence[Sample]
    """The calls."""
    world: World
    """The same shop, as Presage keeps it."""

    def fill(self, redis_url: str) -> None:
        """Put items and visitors into a store: as the re-ranker by hand reads them, and as Presage does."""
        blobs: dict[str, bytes] = {}
        blobs |= {ITEM_PREFIX + item_id(number): row.tobytes() for number, row in enumerate(self.items)}
        blobs |= {OWN_PREFIX + visitor: rows.tobytes() for visitor, rows in self.own.items()}
        blobs |= {SESSION_PREFIX + visitor: rows.tobytes() for visitor, rows in self.sessions.items()}
        keys = list(blobs)
        with redis.Redis.from_url(redis_url) as store:
            for start in range(0, len(keys), _KEYS_PER_ROUND_TRIP):
                store.mset({key: blobs[key] for key in keys[start : start + _KEYS_PER_ROUND_TRIP]})
            for user, state in zip(self.world.users, self.world.states, strict=True):
                store.set(state_key(user), stored_state(state, self.world.shop.end_unix_micros))
        store_items(redis_url, self.world.columns)

    def save(self, path: Path) -> None:
        """Write the items and their ready features to an ``.npz``, for peers that load a store of their own."""
        names = np.array([item_id(number) for number in range(len(self.items))])
        np.savez(path, item_ids=names, rows=self.items["features"], features=np.array(ITEM_FEATURES))

    def save_models(self, original: Path, models: Path) -> None:
        """Write the peers' model as LightGBM does, and a folder of models for Presage."""
        self.booster.save_model(original)
        self.world.write_bundle(copy_models(models))


def make_ranking_data(items: int = 100_000) -> RankingData:
    """Draw a shop, fit a model to what its visitors came back to, and make the calls with their answers."""
    world = make_world(items, _VISITORS)
    shop, events, now = world.shop, world.events, world.shop.end_unix_micros
    numbers = {item_id(number): number for number in range(items)}
    rows = _item_rows(shop, events, numbers)
    of_visitors: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_visitors[event.user_id].append(event)
    own = {visitor: _own(some) for visitor, some in of_visitors.items()}
    sessions = {visitor: _session(some, rows, numbers) for visitor, some in of_visitors.items()}
    random = np.random.default_rng(5)
    visitors = [shop.user_id(int(number)) for number in random.integers(_VISITORS, size=_CALLS + _FITTED_CALLS)]
    seen = dict(zip(world.users, world.seen, strict=True))
    asked = [(visitor, shop.candidates(random, seen[visitor], CANDIDATES)) for visitor in visitors]
    matrix = np.array(
        [
            [
                *rows["features"][number].tolist(),
                *_pair_features(rows[number], item_id(number), own[visitor], session, now),
            ]
            for visitor, candidates in asked
            for session in (sessions[visitor],)
            for number in candidates
        ]
    )
    fitted = _FITTED_CALLS * CANDIDATES
    booster = _fit(matrix[:fitted], random)
    scores = np.asarray(booster.predict(matrix[fitted:], num_threads=1)).reshape(_CALLS, CANDIDATES)
    samples = [
        Sample((visitor,), rows["features"][candidates], answer, now, tuple(map(item_id, candidates)))
        for (visitor, candidates), answer in zip(asked[_FITTED_CALLS:], scores, strict=True)
    ]
    return RankingData(items=rows, own=own, sessions=sessions, booster=booster, samples=samples, world=world)


def _item_rows(shop: Shop, events: Sequence[Event], numbers: dict[str, int]) -> NDArray[np.void]:
    size = shop.items
    counts = np.zeros((len(_WINDOW_HOURS), len(_KINDS), size))
    first, last = np.full(size, -1.0), np.full(size, -1.0)
    visitors: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for event in events:
        hours = (shop.end_unix_micros - event.event_time_unix_micros) / (_HOUR_SECONDS * MICROS)
        number, kind = numbers[event.items[0].item_id], _KINDS.index(event.type)
        counts[[hours < window for window in _WINDOW_HOURS], kind, number] += 1
        first[number] = hours if first[number] < 0 else first[number]
        last[number] = hours
        visitors[number][event.user_id] += 1
    views, carts, purchases = counts[-1]
    seen = np.array([len(visitors[number]) for number in range(size)])
    again = np.array([sum(times > 1 for times in visitors[number].values()) for number in range(size)])
    categories, brands = shop.category_codes, shop.brand_codes
    features = [
        *counts.reshape(-1, size),
        *((carts + 1) / (views + 20), (purchases + 1) / (views + 50), seen, again / np.maximum(1, seen)),
        *(_ranks(categories, views), _ranks(brands, views), first, last),
    ]
    rows = np.zeros(size, ITEM)
    rows["features"] = np.stack(features, axis=1)
    rows["price"], rows["category"], rows["brand"] = shop.prices, categories, brands
    return rows


def _ranks(groups: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each item in its group, the highest value first."""
    order = np.lexsort((-values, groups))
    sizes = np.bincount(groups)
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - (np.cumsum(sizes) - sizes)[groups[order]]
    return ranks


def _own(events: Sequence[Event]) -> NDArray[np.void]:
    found: dict[str, list[float]] = {}
    for event in events:
        (item,) = event.items
        entry = found.setdefault(item.item_id, [0.0, 0.0, 0, item.price_micros / MICROS])
        entry[0] += EVENT_WEIGHTS[event.type]
        entry[1] += 1
        entry[2] = event.event_time_unix_micros // MICROS
    best = sorted(found.items(), key=lambda entry: (-entry[1][0], entry[0]))[:_HISTORY]
    return np.array([(name.encode(), *values) for name, values in best], OWN)


def _session(events: Sequence[Event], rows: NDArray[np.void], numbers: dict[str, int]) -> NDArray[np.void]:
    newest = [event.items[0].item_id for event in reversed(events[-_SESSION:])]
    found = [(name.encode(), *rows[["price", "category", "brand"]][numbers[name]]) for name in newest]
    return np.array(found, SESSION)


def _pair_features(
    item: np.void, name: str, own: NDArray[np.void], session: NDArray[np.void], now_unix_micros: int
) -> Iterator[float]:
    """Compute PAIR_FEATURES, one value after the other."""
    price, category, brand = float(item["price"]), int(item["category"]), int(item["brand"])
    ids = own["id"].tolist()
    place = ids.index(name.encode()) if name.encode() in ids else -1
    yield price
    yield float(own["score"][place]) if place >= 0 else 0.0
    yield float(own["events"][place]) if place >= 0 else 0.0
    yield (now_unix_micros // MICROS - int(own["seconds"][place])) / _HOUR_SECONDS if place >= 0 else -1.0
    seen = session["id"].tolist()
    yield float(seen.index(name.encode())) if name.encode() in seen else -1.0
    yield float(seen.count(name.encode()))
    yield session["category"].tolist().count(category) / len(session)
    yield session["brand"].tolist().count(brand) / len(session)
    yield float(session["category"][0] == category)
    yield float(session["brand"][0] == brand)
    yield price / float(session["price"][0])
    yield price / (sum(own["price"].tolist()) / len(own))


def _fit(matrix: NDArray[np.float64], random: np.random.Generator) -> lightgbm.Booster:
    """Fit LambdaMART to visitors who like what they know, what is alike, and what is popular."""
    values = dict(zip((*ITEM_FEATURES, *PAIR_FEATURES), matrix.T, strict=True))
    liking = values["own_score"] / 10 + 2 * values["category_share"] + np.log1p(values["views_1_day"]) / 4
    liking += random.normal(0.0, 0.5, len(matrix))
    by_call = liking.reshape(-1, CANDIDATES)
    labels = (by_call >= np.sort(by_call, axis=1)[:, -5:-4]).astype(int).ravel()
    groups = np.full(len(by_call), CANDIDATES)
    data = lightgbm.Dataset(matrix, labels, group=groups, feature_name=list(values))
    parameters = {"objective": "lambdarank", "num_leaves": _LEAVES, "num_threads": 1, "seed": 1, "verbose": -1}
    return lightgbm.train(parameters, data, _TREES)
