from __future__ import annotations

import dataclasses
import pickle
from types import SimpleNamespace

import pytest

from presage_featurizer import CATALOGUE, CONVERSION, CORE, FEATURE_SETS, FeatureSet, FeatureSetError
from presage_featurizer.fold import FOLD_VERSION
from presage_featurizer.shipped_sets import BEHAVIOR, RFM


def changed(**fields):
    return dataclasses.replace(CONVERSION, **fields)


def test_the_default_set_is_the_one_that_models_were_trained_on():
    assert CONVERSION.features == (
        "recency_days",
        "frequency",
        "monetary_value",
        "days_since_first_purchase",
        "page_views",
        "product_views",
        "add_to_cart_events",
        "unique_products_viewed",
        "avg_product_price_viewed",
        "bounce_rate",
        "cart_items_count",
        "avg_cart_item_price",
        "max_cart_value",
        "hour_of_day",
        "user_segment_encoded",
        "device_encoded",
        "session_searches",
        "session_wishlist_adds",
        "last_event_type",
        "deepest_step",
    )
    # A change here means that every model trained before is refused. If it is meant, retrain them.
    assert CONVERSION.fingerprint == "985c5e68840475ec39ac999fe7a9f71962cf97a51c4f3d38f7206902da33d04a"


def test_the_sets_build_on_one_another():
    assert [len(CONVERSION.features), len(CORE.features), len(BEHAVIOR.features), len(CATALOGUE)] == [20, 46, 58, 72]
    assert CORE.features[:20] == BEHAVIOR.features[:20] == CONVERSION.features
    assert set(CORE.features) | set(BEHAVIOR.features) | {"purchases"} == set(CATALOGUE)
    assert all(CATALOGUE[name].scope == "visitor" for name in RFM.features)


def test_sets_are_found_by_their_names():
    assert FEATURE_SETS == {"conversion": CONVERSION, "core": CORE, "rfm": RFM, "behavior": BEHAVIOR}


def test_fingerprint_changes_with_all_that_decides_the_vector():
    different = [
        CONVERSION,
        changed(features=CONVERSION.features[::-1]),
        changed(features=CONVERSION.features[:-1]),
        changed(time_zone="Europe/London"),
        changed(countries=("GB",)),
        changed(countries=("GB", "FR")),
        changed(countries=("FR", "GB")),
    ]
    assert len({each.fingerprint for each in different}) == len(different)


def test_fingerprint_changes_with_the_version_of_a_feature(monkeypatch):
    before = CONVERSION.fingerprint
    monkeypatch.setitem(CATALOGUE, "frequency", dataclasses.replace(CATALOGUE["frequency"], version=2))
    assert CONVERSION.fingerprint != before


def test_fingerprint_changes_with_the_version_of_the_fold(monkeypatch):
    before = CONVERSION.fingerprint
    monkeypatch.setattr("presage_featurizer.feature_set.FOLD_VERSION", FOLD_VERSION + 1)
    assert CONVERSION.fingerprint != before


def test_fingerprint_does_not_change_with_the_name():
    assert changed(name="other").fingerprint == CONVERSION.fingerprint


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"features": ("frequency", "shoe_size")}, r"features: \['shoe_size'\] are not in the catalogue; it has \["),
        ({"features": ()}, r"features: expected at least one name, and each once, got \[\]"),
        ({"features": ("frequency", "frequency")}, "features: expected at least one name, and each once, got"),
        ({"features": ("country_encoded",)}, "countries: expected a vocabulary for country_encoded, got none"),
        ({"countries": ("GB", "GB")}, "countries: expected each code once, got"),
        (
            {"countries": ("GB", "fr", "")},
            r"countries: expected two capital letters each, such as GB, got \['fr', ''\]",
        ),
        ({"time_zone": "Mars/Olympus_Mons"}, "time_zone: expected an IANA name such as Europe/Berlin, got 'Mars/Oly"),
        ({"time_zone": ""}, "time_zone: expected an IANA name such as Europe/Berlin, got ''"),
        ({"time_zone": "../etc/passwd"}, "time_zone: expected an IANA name such as Europe/Berlin, got"),
    ],
)
def test_errors_name_the_field(fields, message):
    with pytest.raises(FeatureSetError, match=f"^{message}"):
        changed(**fields)


def test_equal_sets_are_interchangeable():
    assert changed() == CONVERSION
    assert hash(changed()) == hash(CONVERSION)
    assert changed(time_zone="Europe/London") != CONVERSION


def test_a_set_shows_what_was_chosen_and_not_how_it_is_computed():
    assert repr(FeatureSet(name="tiny", features=("frequency",))) == (
        "FeatureSet(name='tiny', features=('frequency',), time_zone='UTC', countries=())"
    )


def test_a_set_can_be_pickled_with_its_generated_function():
    feature_set = changed(time_zone="Europe/London")
    assert feature_set.write_rows
    assert pickle.loads(pickle.dumps(feature_set)) == feature_set


def recorded(**fields):
    return SimpleNamespace(**{**CONVERSION.definition, **fields})


def test_a_set_is_restored_from_what_was_recorded():
    paris = changed(name="paris", time_zone="Europe/Paris", countries=("FR", "GB"))
    for feature_set in (*FEATURE_SETS.values(), paris):
        assert FeatureSet.restore(SimpleNamespace(**feature_set.definition)) == feature_set


def test_a_set_that_means_something_else_by_now_is_rejected():
    with pytest.raises(FeatureSetError, match=rf"^fingerprint: expected 0{{64}}, got {CONVERSION.fingerprint}: "):
        FeatureSet.restore(recorded(fingerprint="0" * 64))
    with pytest.raises(FeatureSetError, match=r"features: .* are not in the catalogue"):
        FeatureSet.restore(recorded(features=("shoe_size",)))
