"""Tables: stored and restored, and bound to columns that grow."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.tables import RankingTables
from tests.support.rankings import arrays_of
from tests.support.small_shops import NOW, an_item, number_of, random_tables


@given(groups=st.lists(st.lists(st.integers(0, 60), max_size=8), max_size=6))
@settings(deadline=None)
def test_binding_step_by_step_is_binding_at_once(groups):
    digests = np.array([number_of(f"item-{number}") for number in range(40)], np.uint64)
    tables = random_tables(np.random.default_rng(1), digests, 3, 5)
    columns = ItemColumns()
    replay, bound = ItemReplay(columns), tables.bound(columns)
    for place, numbers in enumerate(groups):
        time = NOW + place * 60 * MICROS
        replay.add(Event("e", EventType.VIEW_ITEM, "u", time, items=tuple(map(an_item, numbers))), time)
        replay.close_before(time + 60 * MICROS)
        earlier, kept = bound, (bound.columns_of.copy(), bound.table_rows_of.copy())
        bound = bound.bound(columns)
        assert earlier.columns_of.tolist() == kept[0].tolist()
        assert earlier.table_rows_of.tolist() == kept[1].tolist()
    at_once = tables.bound(columns)
    size = len(columns)
    for found in (bound, at_once):
        assert found.columns_of.tolist() == columns.rows_of(digests.tolist()).tolist()
        places = {int(row): place for place, row in enumerate(found.columns_of) if row != UNKNOWN}
        assert found.table_rows_of[:size].tolist() == [places.get(row, UNKNOWN) for row in range(size)]
        assert set(found.table_rows_of[size:].tolist()) == {UNKNOWN}
        assert found.padded_repeat_rates.tolist() == [*tables.repeat_rates.tolist(), -1.0]


def test_restored_tables_are_equal_and_plain(tmp_path):
    digests = np.array([number_of(f"item-{number}") for number in range(9)], np.uint64)
    tables = random_tables(np.random.default_rng(2), digests, 3, 5)
    stored = {}
    for name, array in arrays_of(tables).items():
        np.save(tmp_path / name, array)
        stored[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    restored = RankingTables.restore(stored)
    for name, array in arrays_of(tables).items():
        found = arrays_of(restored)[name]
        assert found.tobytes() == array.tobytes()
        assert found.dtype == array.dtype
    assert type(restored.sessions.items) is np.ndarray  # a memory-mapped one takes microseconds for each slice
