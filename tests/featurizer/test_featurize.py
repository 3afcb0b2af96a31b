from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from presage_featurizer import (
    CATALOGUE,
    CONVERSION,
    CORE,
    FeatureSet,
    decode_needed,
    decode_state,
    encode_state,
    feature_rows,
    featurize,
    fold,
)
from support.events import DAY_MICROS, STORY, any_log, at, event, fold_all

NOW = at(95)


def named(vector, feature_set=CONVERSION):
    return dict(zip(feature_set.features, vector.tolist(), strict=True))


@pytest.mark.parametrize("feature_set", [CONVERSION, CORE], ids=lambda feature_set: feature_set.name)
@pytest.mark.parametrize("state", [None, fold_all(STORY)], ids=["no history", "story"])
def test_a_vector_is_float32_in_the_order_of_the_set(state, feature_set):
    vector = featurize(state, NOW, feature_set)
    alone = [
        featurize(state, NOW, FeatureSet(name="alone", features=(name,), countries=feature_set.countries or ("GB",)))
        for name in feature_set.features
    ]
    assert (vector.shape, vector.dtype) == ((len(feature_set.features),), np.float32)
    assert np.isfinite(vector).all()
    np.testing.assert_array_equal(np.concatenate(alone), vector)


@given(log=any_log())
@settings(max_examples=50)
def test_a_set_without_habits_needs_none_in_the_state(log):
    blob = encode_state(fold_all(log))
    core = decode_needed(blob, CORE.needs)
    assert CORE.needs == frozenset()
    assert not hasattr(core, "habits")
    np.testing.assert_array_equal(featurize(core, NOW, CORE), featurize(decode_state(blob), NOW, CORE))


@pytest.mark.parametrize("name", [name for name, feature in CATALOGUE.items() if feature.scope == "habits"])
def test_a_feature_of_habits_is_not_made_up_without_them(name):
    core = decode_needed(encode_state(fold_all(STORY)), frozenset())
    feature_set = FeatureSet(name="one", features=(name,))
    assert feature_set.needs == {"habits"}
    if name not in {"days_since_last_event", "recency_score"}:  # those need the visitor's last event alone
        with pytest.raises(AssertionError, match="expected a whole state"):
            featurize(core, NOW, feature_set)


def test_no_history_is_all_defaults():
    vector = named(featurize(None, NOW))
    assert vector.pop("hour_of_day") == 11.0
    assert vector == {name: CATALOGUE[name].default for name in vector}


def test_the_story_in_numbers():
    vector = named(featurize(fold_all(STORY), NOW, session_id="tab"))
    assert vector == pytest.approx(
        {
            "recency_days": 86 / 1440,
            "frequency": 1,
            "monetary_value": 69.99,
            "days_since_first_purchase": 86 / 1440,
            "page_views": 1,
            "product_views": 1,
            "add_to_cart_events": 1,
            "unique_products_viewed": 1,
            "avg_product_price_viewed": 80,
            "bounce_rate": 0.5,
            "cart_items_count": 4,
            "avg_cart_item_price": 33.5 / 4,
            "max_cart_value": 33.5,
            "hour_of_day": 11,
            "user_segment_encoded": 2,
            "device_encoded": 2,
            "session_searches": 0,
            "session_wishlist_adds": 0,
            "last_event_type": 6,
            "deepest_step": 4,
        },
        rel=1e-6,
    )


def test_without_a_session_id_the_most_recent_session_counts():
    assert named(featurize(fold_all(STORY), NOW, CORE), CORE)["session_duration_minutes"] == 3
    assert named(featurize(fold_all(STORY), NOW, CORE, session_id="other"), CORE)["session_duration_minutes"] == 0


def test_session_features_end_with_the_session_and_the_cart_stays():
    idle = named(featurize(fold_all(STORY), at(92) + DAY_MICROS, CORE), CORE)
    assert {name: idle[name] for name in idle if CATALOGUE[name].scope == "session"} == {
        name: 0.0 for name in idle if CATALOGUE[name].scope == "session"
    }
    assert idle["cart_items_count"] == 4


def test_a_moment_before_the_newest_event_is_no_time_since():
    early = named(featurize(fold_all(STORY), at(-5), CORE), CORE)
    assert (early["recency_days"], early["days_since_first_purchase"], early["session_duration_minutes"]) == (0, 0, 0)
    assert (early["seconds_since_last_event"], early["frequency"]) == (0, 1)


def test_every_call_answers_with_its_own_array():
    first = featurize(None, NOW)
    first[:] = 7
    assert featurize(None, NOW)[0] == 0


@settings(deadline=None)
@given(any_log())
def test_events_to_come_change_no_vector_of_now(log):
    states, served = [], []
    for each in log:
        states.append(fold(states[-1] if states else None, each))
        served.append(featurize(states[-1], each.event_time_unix_micros, CORE).tobytes())
    replayed = [
        featurize(state, each.event_time_unix_micros, CORE).tobytes() for state, each in zip(states, log, strict=True)
    ]
    assert replayed == served


def test_the_event_that_triggers_a_score_is_in_it():
    state = fold_all([event(minutes=0), event(minutes=0, event_id="same moment")])
    assert named(featurize(state, at(0)))["page_views"] == 2


def test_state_is_left_alone():
    state = fold_all(STORY)
    before = encode_state(state)
    featurize(state, NOW, CORE, session_id="tab")
    assert encode_state(state) == before


def test_rows_are_the_vectors_of_each_visitor():
    states, moments, session_ids = [None, fold_all(STORY), fold_all(STORY)], [at(0), NOW, NOW], ["", "", "tab"]
    rows = feature_rows(states, moments, session_ids, CORE)
    vectors = [
        featurize(state, now, CORE, session_id=session_id)
        for state, now, session_id in zip(states, moments, session_ids, strict=True)
    ]
    np.testing.assert_array_equal(rows, np.stack(vectors))
    assert (rows.dtype, rows.flags.c_contiguous, rows.flags.writeable) == (np.float32, True, True)


def test_no_visitors_are_no_rows():
    assert feature_rows([], [], [], CORE).shape == (0, len(CORE.features))
