"""Words that shops have for events and devices, in a few languages; as ``plain_words`` writes them."""

from __future__ import annotations

import re
import unicodedata

from presage_featurizer.events import Device, EventType

__all__ = ["DEVICE_WORDS", "EVENT_WORDS", "plain_words"]

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[^a-z0-9]+")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


EVENT_WORDS: dict[EventType, tuple[str, ...]] = {
    EventType.REMOVE_FROM_CART: _names(
        "remove from cart, sc remove, remove from basket, removefromcart, cart remove, remove cart, removed from cart, basket "
        "remove, cart removed, delete from cart, uncart, remove, product removed, aus warenkorb entfernt, entfernen, "
        "entfernt, warenkorb entfernen, retrait panier, supprimer panier, quitar del carrito, rimuovi dal carrello"
    ),
    EventType.ADD_TO_CART: _names(
        "add to cart, sc add, add to basket, addtocart, add to bag, cart, basket, add cart, cart add, added to cart, atc, "
        "addtobasket, basket add, cart added, product added, add, in den warenkorb, warenkorb, korb, in warenkorb, ajout "
        "panier, ajouter au panier, panier, anadir al carrito, carrito, agregar al carrito, carrello, aggiungi al "
        "carrello, winkelwagen, in winkelwagen, carrinho"
    ),
    EventType.VIEW_CART: _names(
        "view cart, sc view, view basket, cart view, cart viewed, basket view, viewcart, show cart, warenkorb ansehen, warenkorb "
        "ansicht, voir panier, ver carrito"
    ),
    EventType.REMOVE_FROM_WISHLIST: _names(
        "remove from wishlist, wishlist remove, unfavorite, unlike, product removed from wishlist, von merkliste entfernt, "
        "quitar favorito"
    ),
    EventType.ADD_TO_WISHLIST: _names(
        "add to wishlist, wishlist, favorite, favourite, fav, like, addtowishlist, wishlist add, save for later, add to "
        "favorites, add to favourites, product added to wishlist, bookmark, merkliste, merkzettel, wunschzettel, favoris, "
        "favoritos, lista desideri"
    ),
    EventType.BEGIN_CHECKOUT: _names(
        "begin checkout, checkout, initiate checkout, start checkout, checkout start, checkout started, begincheckout, "
        "initiatecheckout, kasse, zur kasse, paiement, caisse, cassa, pago, finalizar compra, afrekenen"
    ),
    EventType.ADD_PAYMENT_INFO: _names(
        "add payment info, payment, payment info, payment info entered, addpaymentinfo, add payment, zahlung, "
        "zahlungsdaten, zahlungsart, enter payment, infos paiement, datos pago"
    ),
    EventType.REFUND: _names(
        "refund, return, returned, order refunded, refunded, chargeback, retoure, ruckgabe, rueckgabe, erstattung, "
        "storno, remboursement, retour, reembolso, devolucion, reso, rimborso"
    ),
    EventType.PURCHASE: _names(
        "purchase, buy, order, transaction, bought, purchased, order completed, order complete, ordered, sale, "
        "conversion, paid, complete payment, place order, order placed, checkout complete, checkout completed, kauf, "
        "gekauft, bestellung, bestellt, achat, commande, compra, comprar, pedido, acquisto, ordine, aankoop, bestelling, "
        "sold"
    ),
    EventType.SELECT_ITEM: _names(
        "select item, click item, item click, product click, product clicked, item clicked, selectitem, click product, "
        "select promotion, clic produit, clic producto, clic prodotto, klick auf produkt"
    ),
    EventType.VIEW_ITEM_LIST: _names(
        "view item list, plp, view list, category view, view category, list view, product list viewed, browse category, "
        "browse, listing, category page, product list, impression, viewitemlist, category, kategorie, kategorieansicht, "
        "kategorieseite, liste, ver categoria, catalog"
    ),
    EventType.VIEW_ITEM: _names(
        "view item, view, product view, item view, view product, detail view, viewed, product viewed, pdp, pdp view, view "
        "content, viewcontent, viewitem, detail, product page, product detail, click, pv, item page, produktansicht, "
        "produkt angesehen, angesehen, ansicht, artikelansicht, detailseite, produktseite, vue produit, vue, "
        "consultation, fiche produit, ver producto, vista, vista producto, visto, vista prodotto, visualizza, bekijken, "
        "productweergave"
    ),
    EventType.SEARCH: _names(
        "search, site search, view search results, products searched, searched, query, suche, gesucht, recherche, "
        "busqueda, buscar, ricerca, zoeken, internal search"
    ),
    EventType.RATE_ITEM: _names(
        "rate item, rating, rate, review, product reviewed, rated, bewertung, avis, resena, recensione"
    ),
    EventType.SIGN_UP: _names(
        "sign up, signup, register, registration, complete registration, signed up, account created, create account, "
        "registrierung, inscription, registro, registrazione"
    ),
    EventType.LOGIN: _names(
        "login, log in, signin, sign in, logged in, signed in, anmeldung, anmelden, connexion, inicio sesion, accesso"
    ),
    EventType.PAGE_VIEW: _names(
        "page view, pageview, page, home, homepage, visit, screen view, screenview, landing, page viewed, session start, "
        "first visit, home page, start, seitenaufruf, seite, startseite, page vue, pagina, pagina vista, accueil, "
        "paginaweergave, seitenansicht"
    ),
}
"""The usual words for each type of event."""

DEVICE_WORDS: dict[Device, tuple[str, ...]] = {
    Device.TABLET: _names("tablet, ipad, tab, tablette, tableta, tablets"),
    Device.MOBILE: _names(
        "mobile, phone, smartphone, iphone, android, ios, handy, mobil, mobiltelefon, movil, telefono, cellulare, mobile "
        "web, app, mobile app, m, telephone, mobiel, celular, mobile phone"
    ),
    Device.DESKTOP: _names(
        "desktop, pc, computer, laptop, web, windows, mac, macos, macintosh, linux, ordinateur, escritorio, rechner, d, "
        "notebook, desktop web"
    ),
    Device.OTHER: _names(
        "other, tv, smart tv, smarttv, console, bot, watch, sonstige, autre, otro, altro, kiosk, wearable"
    ),
}
"""The usual words for each kind of device."""


def plain_words(text: str) -> str:
    """Return the words of a name in lower case without accents, separated by spaces: ``unit price`` for ``unitPrice``."""
    spaced = _CAMEL.sub(" ", text.replace("\u00df", "ss"))
    bare = unicodedata.normalize("NFKD", spaced).encode("ascii", errors="ignore").decode()
    return _NO_WORD.sub(" ", bare.lower()).strip()
