"""Proposes a mapping for a sample of a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from presage_featurizer.events import Device, EventType
from presage_training.inspecting.columns import assign_columns
from presage_training.inspecting.contents import assign_by_contents
from presage_training.inspecting.fallbacks import find_fallbacks, fuller_visitor
from presage_training.inspecting.ids import SESSION_PART, USER_PART, find_split
from presage_training.inspecting.money import guess_money
from presage_training.inspecting.sample import Sample
from presage_training.inspecting.time_columns import TimeProposal, find_times
from presage_training.inspecting.words import countries_of, devices_of, event_types_of
from presage_training.readers.files.cells import id_text
from presage_training.readers.formats.derived import Split
from presage_training.readers.formats.mapping import COUNTRY, FIELDS, SHOWN_FIELDS

__all__ = ["Proposal", "propose"]

# Neither a name nor its cells tell a place in a list from other small numbers, such as ranks by sales.
_FIELDS = tuple(name for name in FIELDS if name not in {"event_time", *SHOWN_FIELDS})
_ITEM_FIELDS = ("category", "brand", "price", "quantity")
_MAX_EVENT_WORDS = 100
_MONEY = ("price", "value")


@dataclass(kw_only=True, slots=True)
class Proposal:
    """A mapping, and what is not certain about it."""

    columns: dict[str, str | tuple[str, ...]]
    time: TimeProposal | None
    splits: list[Split] = field(default_factory=list)
    event_words: Mapping[str, int] = field(default_factory=dict)
    """The rows of each word for an event in the sample."""
    event_types: Mapping[str, EventType | None] = field(default_factory=dict)
    """The event type of each word; None if it is not known."""
    devices: Mapping[str, Device | None] = field(default_factory=dict)
    countries: Mapping[str, str | None] = field(default_factory=dict)
    """The code of each word that is not one itself; None if it is not known."""
    constants: dict[str, str] = field(default_factory=dict)
    unplaced: list[str] = field(default_factory=list)
    """Columns that are nothing that Presage knows."""
    remarks: list[str] = field(default_factory=list)
    """What to look at, a sentence each."""

    @property
    def missing(self) -> list[str]:
        """Fields without which no row becomes an event."""
        return [
            name
            for name in ("user_id", "event_time", "event_type")
            if name not in self.columns and name not in self.constants
        ]


def propose(sample: Sample) -> Proposal:
    """Propose a mapping; never fails, but may lack a field that is needed."""
    time = find_times(sample)
    time_columns = list(time.columns) if time else []
    found = assign_columns(sample, _FIELDS, time_columns)
    remarks = list(time.remarks) if time else []
    if not sample.layout.has_header:
        remarks.append("the first line holds no names: the columns are numbered, and were guessed from their cells")
    if fuller := fuller_visitor(sample, found):
        remarks.append(f"{found['user_id']!r} is empty in many rows; {fuller!r}, which is not, is read as the visitor")
        found["user_id"] = fuller
    found |= assign_by_contents(sample, found, time_columns)
    splits = []
    if split := find_split(sample, found):
        splits.append(split)
        found = {name: column for name, column in found.items() if column != split.column}
        found |= {
            name: part for name, part in (("user_id", USER_PART), ("session_id", SESSION_PART)) if name not in found
        }
    fallbacks = find_fallbacks(sample, found)
    columns: dict[str, str | tuple[str, ...]] = {}
    for name in FIELDS:
        if name in found:
            columns[name] = fallbacks.get(name, found[name])
        elif name == "event_time" and time:
            columns[name] = time.columns[0] if len(time.columns) == 1 else time.columns
    proposal = Proposal(columns=columns, time=time, splits=splits, remarks=remarks)
    _propose_words(sample, proposal, found)
    _propose_money(sample, proposal, found)
    _remark_missing_visitors(sample, proposal, found)
    if any(".0." in column for column in _sources(proposal)):
        proposal.remarks.append("of an array, only the first object is read")
    if "item_id" not in columns:
        for name in _ITEM_FIELDS:
            if source := proposal.columns.pop(name, None):
                proposal.remarks.append(f"{name} ({source!r}) is left out, because no column names the item")
    used = _sources(proposal)
    proposal.unplaced = [column for column in sample.columns if column not in used]
    return proposal


def _propose_money(sample: Sample, proposal: Proposal, found: Mapping[str, str]) -> None:
    guess = guess_money(sample, found, proposal.event_types)
    money: dict[str, str | tuple[str, ...]] = {
        # Of several columns, the guess is about the first.
        name: proposal.columns[name] if found.get(name) == column else column
        for name, column in guess.columns.items()
    }
    columns = {name: source for name, source in proposal.columns.items() if name not in _MONEY} | money
    proposal.columns = {name: columns[name] for name in FIELDS if name in columns}
    proposal.remarks += guess.remarks
    if guess.currency:
        proposal.constants["currency"] = guess.currency


def _remark_missing_visitors(sample: Sample, proposal: Proposal, found: Mapping[str, str]) -> None:
    column = found.get("user_id", "")
    missing = sum(cell is None for cell in sample.columns.get(column, ()))
    other = found.get("session_id") or found.get("order_id")
    if missing and other in sample.columns:
        proposal.remarks.append(
            f"{missing:,} rows have no visitor in {column!r} and are lost; "
            f'user_id = ["{column}", "{other}"] makes a visitor of each {other!r} instead'
        )


def _sources(proposal: Proposal) -> set[str]:
    """Return the columns that the mapping reads."""
    names = {split.column for split in proposal.splits}
    for source in proposal.columns.values():
        names.update((source,) if isinstance(source, str) else source)
    return names


def _first_texts(sample: Sample, source: str | tuple[str, ...]) -> list[str]:
    """Return the words of the first column that has one in each row, empty where none has."""
    columns = [sample.columns[column] for column in ((source,) if isinstance(source, str) else source)]
    return [id_text(next((cell for cell in cells if cell is not None), None)) for cells in zip(*columns, strict=True)]


def _propose_words(sample: Sample, proposal: Proposal, found: Mapping[str, str]) -> None:
    if "event_type" in found:
        counts = Counter(_first_texts(sample, proposal.columns["event_type"]))
        proposal.event_words = dict(counts.most_common(_MAX_EVENT_WORDS))
        proposal.event_types = event_types_of(proposal.event_words)
        orders = [word for word, kind in proposal.event_types.items() if kind is EventType.PURCHASE]
        if len(orders) > 1:
            words = ", ".join(repr(word) for word in orders)
            proposal.remarks.append(
                f"several words become PURCHASE: {words}; keep the one that says that an order was paid"
            )
    else:
        is_order = "order_id" in found or "quantity" in found
        guess = "PURCHASE" if is_order else "VIEW_ITEM" if "item_id" in found else "PAGE_VIEW"
        proposal.constants["event_type"] = guess
        proposal.remarks.append(f"no column names the type of event; every row is taken for a {guess}")
    if column := found.get("device"):
        devices = devices_of(sorted(set(sample.texts(column))))
        proposal.devices = {word: device for word, device in devices.items() if word.upper() not in Device.__members__}
    if column := found.get("country"):
        countries = countries_of(sorted(set(sample.texts(column))))
        proposal.countries = {
            word: code
            for word, code in countries.items()
            if code != word.upper() and (code or not COUNTRY.fullmatch(word.upper()))
        }
