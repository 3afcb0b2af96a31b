"""What the compiled functions return is to the bit what numpy returns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, EventType, current_session
from presage_featurizer.ranking.assembling import Circumstances, context_of
from presage_featurizer.ranking.compiled import kernels
from presage_featurizer.ranking.digest_index import DigestIndex
from presage_featurizer.ranking.intent import _compare, session_intent
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.item_features import MAX_COLD
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from tests.support.numpy_only import numpy_only
from tests.support.small_shops import NOW, SmallShop, a_visitor, number_of, small_shop

SHOPS = [small_shop(seed) for seed in range(3)]
LARGE = small_shop(3, items=400, neighbours=60, sessions=3_000, longest=60)
BUSY = small_shop(4, sessions=3_000)
SHOPS += [LARGE, BUSY, small_shop(items=0, sessions=0)]
KINDS = st.sampled_from([EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE])
COLUMNS = ("digests", "rows", "of_session", "of_history", "codes", "prices")


@st.composite
def visitors(draw):
    """Return a state with up to 64 items, most of which the shop has, and a few that it does not."""
    numbers = draw(st.sampled_from([st.integers(0, 5), st.integers(0, 45), st.integers(0, 420)]))
    steps = draw(st.lists(st.tuples(numbers, KINDS), max_size=draw(st.sampled_from([3, 30, 110]))))
    return a_visitor(steps, every_seconds=draw(st.sampled_from([1, 60, 7_000])))


def both(compute):
    """Return what comes out by compiled functions and by numpy."""
    compiled = compute()
    with numpy_only():
        return compiled, compute()


@pytest.fixture(autouse=True)
def numba_is_there(compiled_functions):
    assert compiled_functions is kernels() is not None, "numba is one of the packages for development"


@given(
    shop=st.sampled_from(SHOPS),
    state=visitors(),
    wanted=st.lists(st.integers(0, 430), unique=True, max_size=60),
    days=st.sampled_from([0, 1, 40, 1_800, -19_000, 70_000]),
    anchor=st.sampled_from([None, "item-1", "item-2", "nothing"]),
    budget=st.sampled_from([None, 0, 5 * MICROS, 50 * MICROS]),
    are_found=st.booleans(),
)
@example(BUSY, a_visitor([(n, EventType.VIEW_ITEM) for n in range(9)]), list(range(40)), 0, None, None, False)
@example(LARGE, a_visitor([(n, EventType.PURCHASE) for n in range(64)]), list(range(400)), 0, None, None, False)
@settings(deadline=None, max_examples=200)
def test_features(shop, state, wanted, days, anchor, budget, are_found):  # noqa: PLR0917 - hypothesis names them
    ids = [f"item-{number}" for number in wanted]
    workspace = Workspace()

    def features():
        circumstances = Circumstances(
            NOW + days * 86_400 * MICROS, "", None if anchor is None else number_of(anchor), budget
        )
        context = context_of(state, circumstances, shop.features, shop.tables, workspace)
        rows, digests = context.resolve_ids(ids)
        positions = None if are_found else np.arange(1, len(rows) + 1)
        return pair_features(rows, context, positions).tobytes(), rows.tolist(), digests.tolist(), context.intent

    for _ in range(2):  # the second time in the workspace that the first one left
        compiled, expected = both(features)
        assert compiled == expected


@given(shop=st.sampled_from(SHOPS), state=visitors(), seconds=st.sampled_from([0, 10, 4_000]))
@settings(deadline=None, max_examples=150)
def test_interests(shop, state, seconds):
    now = NOW + seconds * MICROS
    session = None if state is None else current_session(state, now, "")

    def read():
        interests = Interests(state, session, shop.features, now)
        parts = [getattr(interests, name) for name in COLUMNS]
        found = [(part.shape, part.dtype, part.tobytes()) for part in parts]
        return found, interests.size, _compare(interests), session_intent(session, interests, shop.features)

    compiled, expected = both(read)
    assert compiled == expected


@given(st.lists(st.floats(0.0, 1e300, width=64), max_size=128))
@settings(deadline=None, max_examples=300)
def test_sums(numbers):
    from presage_featurizer.ranking.compiled import features

    array = np.array(numbers, np.float64)
    assert features.pairwise_sum(array).hex() == float(array.sum()).hex()
    thirds = array % 1.0 / 3.0
    assert features.pairwise_sum(thirds).hex() == float(thirds.sum()).hex()


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=600), st.lists(st.integers(0, 2**64 - 1), max_size=20))
@settings(deadline=None, max_examples=60)
def test_rows_by_digest(known, others):
    index = DigestIndex()
    index.add(np.array(known, np.uint64))
    # Those with the same lowest bits have to be looked for further on.
    wanted = np.array([*known, *others, *[(number + 2**40) % 2**64 for number in known]], np.uint64)
    compiled, expected = both(lambda: index.rows_of(wanted).tolist())
    assert compiled == expected
    assert compiled[: len(known)] == list(range(len(known)))


def test_tables_that_are_mapped_read_only():
    tables = LARGE.tables
    arrays = {
        "digests": tables.digests,
        "repeat_rates": tables.repeat_rates,
        **{f"{name}.rows": table.rows for name, table in tables.neighbours.items()},
        **{f"{name}.weights": table.weights for name, table in tables.neighbours.items()},
        **{
            f"sessions.{name}": getattr(tables.sessions, name)
            for name in ("starts", "items", "item_starts", "of_items")
        },
    }
    mapped = {name: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape) for name, array in arrays.items()}
    shop = SmallShop(LARGE.columns, LARGE.features, RankingTables.restore(mapped).bound(LARGE.columns))
    state = a_visitor([(number, EventType.VIEW_ITEM) for number in range(30)])
    rows = np.arange(400)
    found = pair_features(rows, shop.context(state)).tobytes()
    assert not shop.tables.liked_together.rows.flags.writeable
    assert found == pair_features(rows, LARGE.context(state)).tobytes()
    with numpy_only():
        assert found == pair_features(rows, shop.context(state)).tobytes()


def test_a_thousand_unknown_candidates():
    shop = SHOPS[0]
    digests = np.array([number_of(f"unknown-{number}") for number in range(MAX_COLD)], np.uint64)

    def features():
        context = shop.context(a_visitor([(3, EventType.VIEW_ITEM)]))
        return pair_features(context.resolve(digests), context).tobytes()

    compiled, expected = both(features)
    assert compiled == expected


def test_rows_beyond_the_columns_are_as_by_numpy():
    context = SHOPS[0].context(None)
    compiled, expected = both(lambda: pair_features(np.array([-2, -1, 3]), context).tobytes())
    assert compiled == expected
    with pytest.raises(IndexError):
        pair_features(np.array([1 << 40]), context)
