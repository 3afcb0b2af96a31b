from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import json
import zipfile
from functools import partial
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from training.commands.running import run_here
from training.logs import shop

from presage_featurizer import MICROS, Device, Event, EventType
from presage_training.readers import SkippedRows, load_mapping, read_events
from support.scripted_servicer import ScriptedServicer, serving

EVENTS = [event for event in shop(visitors=60) if not event.type.name.startswith("GROUP")]
BERLIN = ZoneInfo("Europe/Berlin")
GERMAN = {
    "PAGE_VIEW": "Seitenaufruf",
    "VIEW_ITEM": "Produkt angesehen",
    "VIEW_ITEM_LIST": "Kategorieseite",
    "SELECT_ITEM": "item click",
    "SEARCH": "Suche",
    "ADD_TO_CART": "In den Warenkorb",
    "REMOVE_FROM_CART": "Aus Warenkorb entfernt",
    "ADD_TO_WISHLIST": "Merkzettel",
    "REMOVE_FROM_WISHLIST": "von Merkliste entfernt",
    "VIEW_CART": "Warenkorb ansehen",
    "BEGIN_CHECKOUT": "Kasse",
    "ADD_PAYMENT_INFO": "Zahlungsdaten",
    "PURCHASE": "Kauf",
    "REFUND": "Retoure",
    "RATE_ITEM": "Bewertung",
    "SIGN_UP": "Registrierung",
    "LOGIN": "Anmeldung",
}


@pytest.fixture
def inspect(monkeypatch, capsys):
    """Run ``presage inspect`` in this process."""
    return partial(run_here, monkeypatch, capsys, "inspect")


@pytest.fixture
def replay(monkeypatch, capsys):
    """Run ``presage replay`` in this process, into a server that counts everything; returns its events."""

    def run(log, mapping) -> list[str]:
        servicer = ScriptedServicer()
        with serving(servicer) as target:
            done = run_here(monkeypatch, capsys, "replay", log, "--mapping", mapping, "--target", target)
        assert (done.code, done.err) == (0, "")
        assert "skipped by the reader" not in done.out
        return [event.event_id for request in servicer.requests("TrackEvents") for event in request.events]

    return run


def cells(text: str, separator: str, rows: list[list[object]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator)
    writer.writerows([text.split(), *rows])
    return file.getvalue()


def moment(event: Event, zone: dt.tzinfo = dt.UTC) -> dt.datetime:
    return (
        dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=event.event_time_unix_micros)
    ).astimezone(zone)


def facts(events: list[Event], *, per: int = MICROS, sessions: bool = True) -> list[object]:
    """What the logs of these tests keep of events: times in whole parts of a second, and one item."""
    return [
        (
            event.type,
            event.user_id,
            event.event_time_unix_micros // per,
            event.session_id if sessions else "",
            [(item.item_id, item.category, item.price_micros, item.quantity) for item in event.items[:1]],
        )
        for event in events
    ]


def read(log, mapping) -> list[Event]:
    skipped = SkippedRows()
    events = list(read_events(log, load_mapping(mapping), skipped=skipped))
    assert skipped.total == 0
    return events


def item_cells(event: Event, *, point: str = ".", missing: str = "") -> list[object]:
    if not event.items:
        return [missing] * 4
    item = event.items[0]
    price = f"{item.price_micros / MICROS:,.2f}"
    if point == ",":
        price = price.translate(str.maketrans(",.", ".,"))
    return [item.item_id, item.category, price, item.quantity]


def test_a_german_export(inspect, replay, tmp_path):
    """Semicolons, decimal commas, cp1252, gzip, date and time apart, visitor and session in one column, NULL."""
    rows = [
        [
            f"{moment(event, BERLIN):%d.%m.%Y}", f"{moment(event, BERLIN):%H:%M:%S}",
            f"{event.user_id}/{event.session_id}", GERMAN[event.type.name],
            *item_cells(event, point=",", missing="NULL"), "Österreich" if number % 2 else "Atlantis", "Handy",
        ]
        for number, event in enumerate(EVENTS)
    ]  # fmt: skip
    log, mapping = tmp_path / "export.csv.gz", tmp_path / "shop.toml"
    names = "Datum Uhrzeit Besucher/Sitzung Aktion Artikelnummer Warengruppe Einzelpreis Menge Land Gerät"
    log.write_bytes(gzip.compress(cells(names, ";", rows).encode("cp1252")))
    done = inspect(log, "--to", mapping)

    assert (done.code, done.err) == (0, "")
    assert "cp1252; separator ';'; decimal comma; empty cells are written NULL" in done.out
    assert "look at: a country that is not known, left empty: Atlantis" in done.out
    assert f"{len(EVENTS):,} of {len(EVENTS):,} rows become events, of 60 visitors" in done.out
    # The one line to edit: the zone, which no log says.
    mapping.write_text(mapping.read_text().replace('"UTC"', '"Europe/Berlin"'))
    events = read(log, mapping)
    assert facts(events, per=MICROS) == facts(EVENTS, per=MICROS)
    assert {event.country for event in events} == {"AT", ""}
    assert {event.device for event in events} == {Device.MOBILE}
    assert len(replay(log, mapping)) == len(EVENTS)


def test_a_folder_of_files_with_tabs(inspect, replay, tmp_path):
    """Tab-separated files of days, some compressed by bzip2, in UTF-16, with milliseconds since 1970 and no session."""
    log, mapping = tmp_path / "logs", tmp_path / "shop.toml"
    header = "visitorId eventName ts productSku productGroup unitPrice qty countryCode"
    halves = EVENTS[: len(EVENTS) // 2], EVENTS[len(EVENTS) // 2 :]
    for number, half in enumerate(halves):
        rows = [
            [event.user_id, event.type.name.lower(), event.event_time_unix_micros // 1_000, *item_cells(event), "gb"]
            for event in half
        ]
        content = cells(header, "\t", rows).encode("utf-16")
        (log / f"2026-0{number + 1}").mkdir(parents=True)
        path = log / f"2026-0{number + 1}" / ("part.tsv.bz2" if number else "part.tsv")
        path.write_bytes(bz2.compress(content) if number else content)
    done = inspect(log, "--to", mapping)

    assert (done.code, done.err) == (0, "")
    assert f"{len(EVENTS):,} rows of 2 of 2 files; utf-16; separator '\\t'" in done.out
    events = read(log, mapping)
    assert facts(events, per=1_000, sessions=False) == facts(EVENTS, per=1_000, sessions=False)
    assert {event.country for event in events} == {"GB"}
    assert len(set(replay(log, mapping))) == len(EVENTS)
    assert len(read(log / "*" / "part.tsv*", mapping)) == len(EVENTS)


def test_pipes_in_a_zip(inspect, replay, tmp_path):
    """Pipes, fractional seconds with a decimal comma, ids in one column, zip; an unknown event is one edited line."""
    rows = [
        [
            f"{event.user_id}:{event.session_id.rpartition('-')[2]}",
            f"{event.event_time_unix_micros / MICROS:.6f}".replace(".", ","),
            "zoomed" if event.type is EventType.VIEW_ITEM else event.type.name.replace("_", "-").lower(),
            *item_cells(event, point=",", missing="\\N"), event.order_id or "\\N",
        ]
        for event in EVENTS
    ]  # fmt: skip
    log, mapping = tmp_path / "events.zip", tmp_path / "shop.toml"
    with zipfile.ZipFile(log, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "events.psv", cells("client_session time activity sku category price quantity order", "|", rows)
        )
    done = inspect(log, "--to", mapping)

    views = sum(event.type is EventType.VIEW_ITEM for event in EVENTS)
    assert (done.code, done.err) == (0, "")
    assert f"{views:,} rows would be lost" in done.out
    assert f"{views:,} rows lost: event type that the mapping ignores in column 'activity': 'zoomed'" in done.out
    mapping.write_text(mapping.read_text().replace('zoomed = "IGNORE"  # not known', 'zoomed = "VIEW_ITEM"'))
    events = read(log, mapping)
    assert facts(events, sessions=False) == facts(EVENTS, sessions=False)
    assert [event.order_id for event in events] == [event.order_id for event in EVENTS]
    assert all(f"{old.user_id}-{new.session_id}" == old.session_id for old, new in zip(EVENTS, events, strict=True))
    assert len(replay(log, mapping)) == len(EVENTS)


def test_nested_json_lines(inspect, replay, tmp_path):
    """JSON lines compressed by zstandard, objects and arrays in objects, a date with hours to seconds, an unknown device."""
    lines = []
    for event in EVENTS:
        at, item = moment(event), event.items[0] if event.items else None
        line = {
            "when": {"date": f"{at:%Y-%m-%d}", "hour": at.hour, "minute": at.minute, "second": at.second},
            "user": {"id": event.user_id, "session_id": event.session_id},
            "event": event.type.name.title().replace("_", ""),
            "ctx": {"device": "Phone" if len(lines) % 2 else "fridge", "country": "Germany"},
        }
        line["products"] = []
        if item:
            product = {"sku": item.item_id, "category": item.category, "price": item.price_micros / MICROS}
            line["products"] = [product | {"quantity": item.quantity}]
        lines.append(json.dumps(line) + "\n")
    log, mapping = tmp_path / "events.ndjson.zst", tmp_path / "shop.toml"
    with pa.CompressedOutputStream(str(log), "zstd") as file:
        file.write("".join(lines).encode())
    done = inspect(log, "--to", mapping)

    assert (done.code, done.err) == (0, "")
    assert "look at: of an array, only the first object is read" in done.out
    assert "look at: a device that is not known, left empty: fridge" in done.out
    events = read(log, mapping)
    assert facts(events) == facts(EVENTS)
    assert {event.device for event in events} == {Device.MOBILE, Device.UNSPECIFIED}
    assert {event.country for event in events} == {"DE"}
    assert len(replay(log, mapping)) == len(EVENTS)


def test_without_a_file_the_mapping_is_printed(inspect, tmp_path):
    (tmp_path / "log.csv").write_text("user,event,time\nann,view,2026-01-01T00:00:00Z\n")
    done = inspect(tmp_path / "log.csv")

    assert done.code == 0
    assert '[columns]\nevent_type = "event"\nevent_time = "time"\nuser_id = "user"\n' in done.out
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_the_next_command_fits_the_log(inspect, tmp_path):
    orders, views = tmp_path / "orders.csv", tmp_path / "views.csv"
    orders.write_text("customer,order,sku,price,time\nann,o1,lamp,3.50,2026-01-05T10:00:00Z\n")
    views.write_text("user,event,time\nann,view,2026-01-01T00:00:00Z\n")

    done = inspect(orders, "--to", tmp_path / "orders.toml")
    task = "--target purchase-within:30 --decisions at:PURCHASE --to runs/first"
    assert done.out.splitlines()[-2].endswith(f"--mapping {tmp_path / 'orders.toml'} {task}")
    assert done.out.splitlines()[-1].startswith("with --rank and another --to, the same command trains a ranking")
    assert "no row becomes a PURCHASE" not in done.out
    of_views = inspect(views, "--to", tmp_path / "views.toml").out
    assert "look at: no row becomes a PURCHASE" in of_views
    assert of_views.splitlines()[-1].endswith(f"--mapping {tmp_path / 'views.toml'} --rank --to runs/first")


def test_a_log_that_is_not_in_order_is_to_be_sorted(inspect, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("user,event,time\nann,buy,2026-01-02T00:00:00Z\nann,view,2026-01-01T00:00:00Z\n")
    done = inspect(log, "--to", tmp_path / "shop.toml")

    assert "look at: 1 of 2 events (50 %), of 1 of 1 visitors (100 %), come after later events" in done.out
    assert done.out.splitlines()[-2].endswith(f"--mapping {tmp_path / 'shop.toml'} --sort --to runs/first")


def test_files_of_another_kind_are_named(inspect, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("events.csv", "user,event,time\nann,view,2026-01-01T00:00:00Z\n")
        archive.writestr("items.csv", "item,property\nlamp,red\n")
    done = inspect(tmp_path / "set.zip")

    assert (done.code, done.out) == (2, "")
    assert "its files have different columns: events.csv (user, event, time) and items.csv (item, property)" in done.err
    assert "Name one, such as" in done.err
    assert inspect(tmp_path / "set.zip" / "events.csv").code == 0


def test_a_log_without_a_visitor_says_so(inspect, tmp_path):
    (tmp_path / "log.csv").write_text("event,time\nview,2026-01-01T00:00:00Z\n")
    done = inspect(tmp_path / "log.csv", "--to", tmp_path / "shop.toml")

    assert done.code == 1
    assert "no column was found for user_id: name it in " in done.out
    assert '# user_id = "…"  # not found: name its column\n' in (tmp_path / "shop.toml").read_text()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("log.csv", "", "log.csv: has no columns"),
        ("log.csv", "user,event,time\n", "log.csv: has no rows"),
        ("log.pdf", "user", "log.pdf: unknown kind of file"),
        ("log.zip", "user", "log.zip: cannot be unpacked"),
        ("log.csv.zst", "user", "log.csv.zst: "),
        ("missing", None, "missing: No such file"),
        ("*.csv", None, "*.csv: no file matches the pattern"),
    ],
)
def test_a_log_that_cannot_be_read_is_one_sentence(inspect, tmp_path, name, content, problem):
    if content is not None:
        (tmp_path / name).write_text(content)
    done = inspect(tmp_path / name)

    assert (done.code, done.out) == (2, "")
    assert problem in done.err
    assert done.err.count("\n") == 1


def test_a_mapping_is_not_replaced_by_chance(inspect, tmp_path):
    (tmp_path / "log.csv").write_text("user,event,time\nann,view,2026-01-01T00:00:00Z\n")
    (tmp_path / "shop.toml").write_text("precious")
    done = inspect(tmp_path / "log.csv", "--to", tmp_path / "shop.toml")

    assert done.code == 2
    assert "is there already; give --force" in done.err
    assert inspect(tmp_path / "log.csv", "--to", tmp_path / "shop.toml", "--force").code == 0
