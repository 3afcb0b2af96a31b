"""What each part of ranking takes: ``python -m benchmarks.rank_parts``.

A hundred candidates of a catalogue of 100,000 items, tables of 20 neighbours, and visitors with 64 items and a session of 20. The
median of each part, in microseconds that the thread had a processor. With NUMBA_DISABLE_JIT=1 all of it is computed by numpy.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from time import perf_counter_ns, thread_time_ns
from typing import Any

import lightgbm
import numpy as np

from presage_export.bundle.compiled_trees import CompiledTrees
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.structure import check_structure
from presage_export.graph import build_graph
from presage_export.reading.lightgbm import read_lightgbm
from presage_featurizer import MICROS, VISITOR, Event, EventType, Item, State, current_session
from presage_featurizer.codec import decode_state, encode_state
from presage_featurizer.ranking.compiled import load_kernels
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.intent import session_intent
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.pairs import PAIR_FEATURES, pair_features
from presage_featurizer.ranking.reasons import reasons
from presage_featurizer.ranking.retrieval import RetrievalLimits, retrieve
from presage_featurizer.ranking.tables import Neighbours, RankingTables, Sessions
from presage_featurizer.ranking.workspace import Workspace

__all__ = ["main"]

_NOW = 1_700_000_000 * MICROS
_ITEMS, _NEIGHBOURS, _SESSIONS, _TREES = 100_000, 20, 200_000, 60
_CANDIDATES, _SHOWN, _VISITORS = 100, 20, 50
_CHANGED = 1_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts one after the other and print their medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rank_parts")
    parser.add_argument("--rounds", type=int, default=20, help="how often each visitor is ranked for")
    rounds = parser.parse_args(arguments).rounds
    random = np.random.default_rng(7)
    items = _catalogue(random)
    features = ItemFeatures(items)
    tables = _tables(random, items).bound(items)
    model, trees = _model(random)
    states = [encode_state(_visitor(random)) for _ in range(_VISITORS)]
    wanted = [random.choice(_ITEMS, _CANDIDATES, replace=False) for _ in states]
    print("compiled" if load_kernels() else "by numpy")
    print(f"{_ITEMS:,} items, {_CANDIDATES} candidates, {len(PAIR_FEATURES)} features, {_TREES} trees")
    times: dict[str, list[float]] = {}
    workspace = Workspace()
    for _ in range(rounds):
        for state, rows in zip(states, wanted, strict=True):
            _rank(times, (features, tables, model, trees, workspace), state, rows.tolist())
    given = 0.0
    for name, taken in times.items():
        median = float(np.median(taken))
        print(f"{name:32} {median:8.1f} us, fastest tenth {np.quantile(taken, 0.1):8.1f} us")
        given += 0.0 if name.startswith(("retrieve", "found")) or (name == "ONNX" and trees) else median
    print(f"{'sum for given candidates':32} {given:8.1f} us")
    _show(f"refresh {_CHANGED:,} changed items", lambda: _change(items, random), features.refresh)
    _show("refresh all items", lambda: None, lambda: ItemFeatures(items))
    _show("bind tables again", lambda: None, lambda: tables.bound(items))
    return 0


def _rank(
    times: dict[str, list[float]],
    given: tuple[ItemFeatures, RankingTables, OnnxModel, CompiledTrees | None, Workspace],
    state_bytes: bytes,
    wanted: list[int],
) -> None:
    features, tables, model, trees, workspace = given
    ids = [features.items.ids[row] for row in wanted]

    def timed(name: str, part: Callable[[], Any]) -> Any:
        begin = thread_time_ns()
        result = part()
        times.setdefault(name, []).append((thread_time_ns() - begin) / 1e3)
        return result

    def context() -> RankingContext:
        return RankingContext(interests, features, tables, _NOW, workspace=workspace)

    state: State = timed("decode the state", lambda: decode_state(state_bytes))
    session = current_session(state, _NOW, "")
    interests = timed("interests", lambda: Interests(state, session, features, _NOW))
    timed("intent", lambda: session_intent(session, interests, features))
    ranked = timed("context", context)
    rows, _ = timed("rows of the candidates", lambda: ranked.resolve_ids(ids))
    values = timed("features", lambda: pair_features(rows, ranked))
    margins = timed("ONNX", lambda: model.margins(values))
    if trees is not None:
        timed("compiled trees", lambda: trees.margins(values))
    order = timed("order", lambda: np.lexsort((ranked.digests_of(rows), -margins))[:_SHOWN])
    timed("reasons of 20", lambda: reasons(values[order]))
    ranked = context()
    found = timed("retrieve", lambda: retrieve(ranked, RetrievalLimits()).rows)
    found_values = timed("found: features", lambda: pair_features(found, ranked))
    timed("found: model", lambda: (trees or model).margins(found_values))


def _change(items: ItemColumns, random: np.random.Generator) -> None:
    items.epoch += 1
    items.changed_epochs[random.choice(_ITEMS, _CHANGED, replace=False)] = items.epoch


def _show(name: str, prepare: Callable[[], Any], part: Callable[[], Any]) -> None:
    taken = []
    for _ in range(7):
        prepare()
        begin = perf_counter_ns()
        part()
        taken.append((perf_counter_ns() - begin) / 1e3)
    print(f"{name:32} {float(np.median(taken)):8.1f} us")


def _catalogue(random: np.random.Generator) -> ItemColumns:
    items = ItemColumns(60 * MICROS)
    prices = random.integers(1, 500, _ITEMS) * MICROS
    known = [
        Item(f"item-{row}", f"category-{row % 200}", f"brand-{row % 1_999}", int(price))
        for row, price in enumerate(prices)
    ]
    replay = ItemReplay(items)
    for kind, step in ((EventType.VIEW_ITEM, 1), (EventType.VIEW_ITEM, 3), (EventType.PURCHASE, 9)):
        time = _NOW - 3_600 * MICROS
        replay.add(Event("", kind, "", time, items=tuple(known[::step])), time)
    replay.close_before(_NOW)
    return items


def _tables(random: np.random.Generator, items: ItemColumns) -> RankingTables:
    def neighbours() -> Neighbours:
        rows = random.integers(0, _ITEMS, (_ITEMS, _NEIGHBOURS), np.int32)
        return Neighbours(rows, random.random((_ITEMS, _NEIGHBOURS), np.float32))

    sizes = random.integers(2, 20, _SESSIONS)
    starts = np.append(0, np.cumsum(sizes)).astype(np.int32)
    popular = np.minimum(random.exponential(_ITEMS / 20, starts[-1]).astype(np.int32), _ITEMS - 1)
    by_item = np.argsort(popular, kind="stable")[::-1]
    order = by_item[np.argsort(popular[by_item], kind="stable")]
    session_of = np.repeat(np.arange(_SESSIONS, dtype=np.int32), sizes)
    item_starts = np.searchsorted(popular[order], np.arange(_ITEMS + 1)).astype(np.int32)
    nothing = np.zeros(0, np.int64)
    return RankingTables(
        items.digests[:_ITEMS].copy(), neighbours(), neighbours(), neighbours(),
        Sessions(starts, popular, item_starts, session_of[order]),
        random.random(_ITEMS, np.float32), nothing, nothing,
    )  # fmt: skip


def _visitor(random: np.random.Generator) -> State:
    state = None
    for place in range(80):
        item = int(min(random.exponential(_ITEMS / 20), _ITEMS - 1)) if place % 2 else int(random.integers(_ITEMS))
        kind = EventType.PURCHASE if place < 20 else EventType.VIEW_ITEM
        ago = 90_000 - place * 1_000 if place < 60 else (80 - place) * 30
        event = Event(f"e{place}", kind, "visitor", _NOW - ago * MICROS, items=(Item(f"item-{item}", price_micros=1),))
        state = VISITOR.fold(state, event)
    assert state is not None
    return state


def _model(random: np.random.Generator) -> tuple[OnnxModel, CompiledTrees | None]:
    rows = random.random((5_000, len(PAIR_FEATURES)), np.float32)
    labels = (rows[:, :5].sum(axis=1) + random.random(5_000) > 3.0).astype(np.int32)
    parameters = {"objective": "lambdarank", "num_leaves": 31, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, labels, group=np.full(50, 100)), _TREES)
    graph = build_graph(read_lightgbm(booster))
    ensemble = check_structure(graph, feature_count=len(PAIR_FEATURES))
    trees = CompiledTrees.of(ensemble, feature_count=len(PAIR_FEATURES)) if ensemble is not None else None
    return OnnxModel(graph), trees


if __name__ == "__main__":
    sys.exit(main())
