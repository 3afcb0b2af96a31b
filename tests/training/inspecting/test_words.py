from __future__ import annotations

import pytest

from presage_featurizer.events import Device, EventType
from presage_training.inspecting.vocabulary import plain_words
from presage_training.inspecting.words import countries_of, devices_of, event_types_of, is_guess


@pytest.mark.parametrize("event_type", [member for member in EventType if member])
def test_our_own_names_mean_themselves(event_type):
    words = [event_type.name, event_type.name.lower(), event_type.name.title().replace("_", "")]

    assert set(event_types_of(words).values()) == {event_type}


@pytest.mark.parametrize(
    ("word", "event_type"),
    [
        ("Product Viewed", EventType.VIEW_ITEM),
        ("user clicked add to cart", EventType.ADD_TO_CART),
        ("retrait du panier", EventType.REMOVE_FROM_CART),
        ("addtocart", EventType.ADD_TO_CART),
        ("Inicio de sesión", EventType.LOGIN),
        ("clic en el producto", EventType.SELECT_ITEM),
        ("Bestellung abgeschlossen", EventType.PURCHASE),
        ("Bestellung storniert", None),
        ("début commande", EventType.BEGIN_CHECKOUT),
        ("Start order", EventType.BEGIN_CHECKOUT),
        ("Bestellung begonnen", EventType.BEGIN_CHECKOUT),
        ("iniciar compra", EventType.BEGIN_CHECKOUT),
        ("view order", None),
        ("page commande", None),
        ("suivi commande", None),
        ("purchase intent", None),
        ("payment_failed", None),
        ("scroll", None),
    ],
)
def test_words_of_shops(word, event_type):
    assert event_types_of([word]) == {word: event_type}


def test_a_type_found_by_a_part_of_a_word_is_a_guess():
    assert not is_guess("Purchase")
    assert not is_guess("ajout au panier")
    assert is_guess("début commande")
    assert not is_guess("scroll")


def test_a_vague_view_is_that_of_a_page_beside_views_of_items():
    assert event_types_of(["pv", "pdp"]) == {"pv": EventType.PAGE_VIEW, "pdp": EventType.VIEW_ITEM}
    assert event_types_of(["pv", "buy"]) == {"pv": EventType.VIEW_ITEM, "buy": EventType.PURCHASE}


def test_devices_and_countries():
    assert devices_of(["iPhone", "Handy", "smart tv", "fridge"]) == {
        "iPhone": Device.MOBILE, "Handy": Device.MOBILE, "smart tv": Device.OTHER, "fridge": None,
    }  # fmt: skip
    assert countries_of(["de", "Österreich", "UK", "South Korea", "Mars"]) == {
        "de": "DE", "Österreich": "AT", "UK": "GB", "South Korea": "KR", "Mars": None,
    }  # fmt: skip


def test_names_are_compared_by_their_words():
    assert [plain_words(name) for name in ("unitPrice", "Unit-Price", "Größe", "SKUCode")] == [
        "unit price", "unit price", "grosse", "sku code",
    ]  # fmt: skip
