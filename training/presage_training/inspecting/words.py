"""Guesses what the words of a log mean: event types, devices and countries."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from presage_featurizer.events import Device, EventType
from presage_training.inspecting.vocabulary import DEVICE_WORDS, EVENT_WORDS, plain_words
from presage_training.readers.formats.countries import COUNTRY_CODES

__all__ = ["countries_of", "devices_of", "event_types_of", "is_guess"]

_MORE_COUNTRIES = {
    "AT": ("osterreich", "autriche", "aut"),
    "BE": ("belgien", "belgique", "belgie", "bel"),
    "BR": ("bresil", "brasil", "brasilien", "bra"),
    "CA": ("kanada", "can"),
    "CH": ("schweiz", "suisse", "svizzera", "suiza", "che"),
    "CN": ("volksrepublik china", "chine", "chn"),
    "CZ": ("czech republic", "tschechien", "cze"),
    "DE": ("deutschland", "allemagne", "alemania", "germania", "duitsland", "deu", "ger"),
    "DK": ("danemark", "dnk"),
    "ES": ("spanien", "espagne", "espana", "spagna", "spanje", "esp"),
    "FR": ("frankreich", "francia", "frankrijk", "fra"),
    "GB": ("uk", "united kingdom", "great britain", "england", "grossbritannien", "royaume uni", "reino unido", "gbr"),
    "GR": ("griechenland",),
    "IE": ("irland", "eire", "irlande", "irl"),
    "IN": ("indien", "ind"),
    "IT": ("italien", "italia", "italie", "ita"),
    "JP": ("japon", "jpn"),
    "KR": ("south korea", "korea", "kor"),
    "LU": ("luxemburg", "lux"),
    "MX": ("mexiko", "mex"),
    "NL": ("niederlande", "holland", "pays bas", "nederland", "paesi bassi", "paises bajos", "the netherlands", "nld"),
    "NO": ("norwegen", "norvege", "nor"),
    "PL": ("polen", "polska", "pologne", "pol"),
    "PT": ("prt",),
    "RU": ("russland", "russie", "rus"),
    "SE": ("schweden", "suede", "swe"),
    "TR": ("turkei", "turkey", "tur"),
    "US": ("usa", "united states", "united states of america", "vereinigte staaten", "etats unis", "estados unidos", "stati uniti"),
}  # fmt: skip
_MIN_INSIDE = 3
_IGNORED_AROUND = frozenset(
    {
        "event", "user", "clicked", "action", "on", "page", "the", "a", "an",
        "al", "au", "aux", "das", "de", "dei", "del", "della", "den", "der", "des", "di", "die", "du", "el", "en",
        "il", "la", "le", "les", "lo", "sur", "un", "una", "une", "zum", "zur",
    }
)  # fmt: skip
_REMOVING = frozenset(
    {
        "remove", "removed", "delete", "deleted", "retrait", "retire", "supprime", "supprimer", "entfernt",
        "entfernen", "geloscht", "loschen", "quitar", "eliminar", "rimuovi", "rimosso", "rimuovere",
        "verwijderd", "verwijder", "remover",
    }
)  # fmt: skip
_OPPOSITES = {
    EventType.ADD_TO_CART: EventType.REMOVE_FROM_CART,
    EventType.ADD_TO_WISHLIST: EventType.REMOVE_FROM_WISHLIST,
}
_NOT_DONE = frozenset(
    {
        "cancel", "canceled", "cancelled", "cancellation", "failed", "failure", "error", "abandoned",
        "abandon", "declined", "rejected", "storniert", "abgebrochen", "annule", "annulee", "annulation",
        "cancelado", "annullato", "history", "status", "tracking", "details", "confirmation", "email",
    }
)  # fmt: skip
"""Words beside which a known one means something else: an order that failed is no purchase."""
_BEGINNING = frozenset(
    {
        "start", "started", "starting", "begin", "began", "begun", "initiate", "initiated", "debut", "commence", "commencer",
        "commencee", "inicio", "iniciar", "iniciado", "inizio", "inizia", "iniziato", "beginn", "begonnen", "beginnen",
        "gestartet", "starten", "gestart",
    }
)  # fmt: skip
"""Words beside which an order has only begun."""
_NO_ORDER = frozenset(
    {
        "view", "viewed", "show", "voir", "ver", "vedi", "bekijken", "ansicht", "ansehen", "form", "formular", "formulaire",
        "page", "seite", "intent", "attempt", "suivi", "seguimiento", "verfolgung", "devis", "quote", "angebot", "button",
        "list", "liste",
    }
)  # fmt: skip
"""Words beside which an order is looked at, or only wanted."""
_PAGES_BESIDE_ITEMS = frozenset({"pv", "view"})
"""Words for a view of an item that are views of any page where another word is a view of an item."""
_ONLY_WHOLE = frozenset(
    {
        "add", "remove", "page", "category", "start", "like", "click", "query", "sale", "detail", "rate",
        "visit", "home", "return", "retour", "liste", "app",
    }
)  # fmt: skip
"""Words that mean a type of event alone, not as a part of a longer name."""


def event_types_of(words: Iterable[str]) -> dict[str, EventType | None]:
    """Return the event type that each word of a log most likely means, None if it is not known."""
    found = {word: _event_type(plain_words(word)) for word in words}
    vague = [word for word in found if plain_words(word) in _PAGES_BESIDE_ITEMS]
    if any(event_type is EventType.VIEW_ITEM and word not in vague for word, event_type in found.items()):
        found |= dict.fromkeys(vague, EventType.PAGE_VIEW)
    return found


def devices_of(words: Iterable[str]) -> dict[str, Device | None]:
    return {word: _device(plain_words(word)) for word in words}


def countries_of(words: Iterable[str]) -> dict[str, str | None]:
    """Return the code of the country that each word names, None if it is not known."""
    names = _country_names()
    codes = set(names.values())
    found: dict[str, str | None] = {}
    for word in words:
        code = word.strip().upper()
        if code in codes:
            found[word] = code
        else:
            found[word] = COUNTRY_CODES.get(word) or names.get(plain_words(word))
    return found


def is_guess(word: str) -> bool:
    """Return whether the type of a word was found by a part of it, so that it may well mean something else."""
    words = plain_words(word)
    return _event_type(words) is not None and _whole(words) is None


@cache
def _known() -> dict[str, EventType]:
    known = {name: event_type for event_type, names in EVENT_WORDS.items() for name in names}
    return known | {plain_words(member.name): member for member in EventType if member}


@cache
def _event_type(words: str) -> EventType | None:
    whole = _whole(words)
    return _by_part(words) if whole is None else whole


@cache
def _whole(words: str) -> EventType | None:
    """Find the type that a name means as a whole, articles aside."""
    known = _known()
    if words in known:
        return known[words]
    short = _without_articles(words)
    found = known.get(short) or next(
        (known[name] for name in known if short and _without_articles(name) == short), None
    )
    # An article or "page" beside an order may make something else of it.
    return None if found is EventType.PURCHASE and _NO_ORDER & set(words.split()) else found


def _by_part(words: str) -> EventType | None:
    """Find the type of the longest known name within a name."""
    around = set(words.split())
    if _NOT_DONE & around:
        return None
    known = _known()
    # Of the names within the words the longest says most; the order of the vocabulary decides between equals.
    names = [
        name for name in known if f" {name} " in f" {words} " and name not in _ONLY_WHOLE and len(name) >= _MIN_INSIDE
    ]
    event_type = known[max(names, key=len)] if names else None
    if event_type is EventType.PURCHASE:
        if _BEGINNING & around:
            return EventType.BEGIN_CHECKOUT
        return None if _NO_ORDER & around else event_type
    if event_type and _REMOVING & around:
        return _OPPOSITES.get(event_type, event_type)
    return event_type


@cache
def _without_articles(words: str) -> str:
    return " ".join(word for word in words.split() if word not in _IGNORED_AROUND)


@cache
def _device(words: str) -> Device | None:
    known = {name: device for device, names in DEVICE_WORDS.items() for name in names}
    if words in known:
        return known[words]
    return next((known[word] for word in words.split() if word in known and len(word) > 1), None)


@cache
def _country_names() -> dict[str, str]:
    """Return the codes of countries by their names in lower case, in English and some other languages."""
    names = {}
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        if not line.startswith("#") and "\t" in line:
            code, name = line.split("\t", 1)
            names[plain_words(name)] = code
    names.update((plain_words(name), code) for name, code in COUNTRY_CODES.items() if code)
    names.update((name, code) for code, others in _MORE_COUNTRIES.items() for name in others)
    return names
