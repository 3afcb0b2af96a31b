from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import datetime

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from presage_featurizer.events import MICROS, Event, EventType, Item
from presage_training.readers import LogFormat, SkippedExample, SkippedRows, read_events
from presage_training.readers.formats.countries import COUNTRY_CODES

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
WINTER = datetime.fromisoformat("2010-12-01T08:26")
SUMMER = datetime.fromisoformat("2011-07-01T08:26")


def line(number, *, stock="85123A", quantity=6, date=WINTER, price=2.55, customer="17850", country="United Kingdom"):
    return (number, stock, "WHITE HEART £", quantity, date, price, customer, country)


def read(path, lines):
    columns = dict(zip(COLUMNS, zip(*lines, strict=True), strict=True))
    parquet.write_table(pa.table({name: list(cells) for name, cells in columns.items()}), path / "retail.parquet")
    skipped = SkippedRows()
    return list(read_events(path / "retail.parquet", LogFormat.ONLINE_RETAIL, skipped=skipped)), skipped


def test_an_invoice_is_one_purchase(tmp_path):
    [event], skipped = read(tmp_path, [line("536365"), line("536365", stock="71053", quantity=2, price=3.39)])

    assert event == Event(
        event_id="invoice:536365",
        type=EventType.PURCHASE,
        user_id="17850",
        event_time_unix_micros=1_291_191_960 * MICROS,  # 2010-12-01 08:26 UTC
        items=(Item("85123A", price_micros=2_550_000, quantity=6), Item("71053", price_micros=3_390_000, quantity=2)),
        country="GB",
        order_id="536365",
        currency="GBP",
    )
    assert skipped.total == 0


def test_a_cancellation_is_one_refund_of_positive_quantities(tmp_path):
    [event], _ = read(tmp_path, [line("C536379", quantity=-1)])

    assert event.type is EventType.REFUND
    assert event.items == (Item("85123A", price_micros=2_550_000, quantity=1),)
    assert event.order_id == "C536379"


def test_the_time_is_that_of_the_shop_on_the_first_line(tmp_path):
    [event], _ = read(tmp_path, [line("1", date=SUMMER), line("1", date=SUMMER.replace(minute=27))])

    assert event.event_time_unix_micros == 1_309_505_160 * MICROS  # 07:26 UTC


def test_each_invoice_without_a_customer_is_a_visitor_of_its_own(tmp_path):
    events, _ = read(tmp_path, [line("1", customer=None), line("2", customer=None), line("3", customer="17850")])

    assert [event.user_id for event in events] == ["anonymous:1", "anonymous:2", "17850"]


def test_the_lines_of_two_invoices_may_be_mixed(tmp_path):
    events, _ = read(tmp_path, [line("1"), line("C2", quantity=-1), line("1", stock="71053")])

    assert [(event.order_id, [item.item_id for item in event.items]) for event in events] == [
        ("1", ["85123A", "71053"]),
        ("C2", ["85123A"]),
    ]


def test_many_invoices_keep_the_order_of_their_first_lines(tmp_path):
    numbers = [str(number) for number in range(300)]
    events, _ = read(tmp_path, [line(number) for number in numbers])

    assert [event.order_id for event in events] == numbers


def test_what_is_no_sale_is_counted(tmp_path):
    events, skipped = read(
        tmp_path,
        [
            line("536589", quantity=-10, price=0.0),
            line("536589", quantity=-20, price=0.0),
            line("A563185", price=-11062.06, quantity=1),
            line("C1", quantity=1),
            line("2"),
            line("2", quantity=-3),
        ],
    )

    assert [event.order_id for event in events] == ["2"]
    assert [item.quantity for item in events[0].items] == [6]
    assert skipped.counts == {
        "stock adjustment": 1,
        "bad-debt adjustment": 1,
        "cancellation without returned goods": 1,
        "line with the opposite sign of its invoice": 1,
    }
    assert skipped.examples["line with the opposite sign of its invoice"] == [
        SkippedExample("row 6", "quantity -3 on invoice 2")
    ]


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ({"quantity": 0}, "expected a whole quantity"),
        ({"quantity": None}, "expected a whole quantity"),
        ({"price": -1.0}, "expected a price"),
        ({"price": float("nan")}, "expected a price"),
        ({"price": float("inf")}, "expected a price"),
        ({"stock": ""}, "expected a StockCode"),
    ],
)
def test_a_bad_line_costs_that_line_only(tmp_path, cells, what):
    [event], skipped = read(tmp_path, [line("1"), line("1", **cells), line("1", stock="71053")])

    assert [item.item_id for item in event.items] == ["85123A", "71053"]
    [(reason, count)] = skipped.counts.items()
    assert reason.startswith("column '")
    assert what in reason
    assert count == 1
    [example] = skipped.examples[reason]
    assert example.where == "row 2"
    assert what in example.what


def test_free_and_unpriced_goods_are_kept(tmp_path):
    [event], _ = read(tmp_path, [line("1", price=0.0), line("1", price=None)])

    assert [item.price_micros for item in event.items] == [0, 0]


@pytest.mark.parametrize("date", ["12/1/2010 8:26", "2010-12-01 08:26:00"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_csv_reads_the_same(tmp_path, date, suffix):
    lines = [line("536365", date=date), line("C536366", date=date, quantity=-1, customer="", country="EIRE")]
    path = tmp_path / f"retail{suffix}"
    # The published CSV is not UTF-8: its descriptions hold pound signs in Latin-1.
    with (gzip.open if suffix.endswith(".gz") else open)(path, "wt", encoding="latin-1", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *lines])

    from_csv = list(read_events(path, LogFormat.ONLINE_RETAIL, skipped=SkippedRows()))
    from_parquet, _ = read(tmp_path, [line("536365"), line("C536366", quantity=-1, customer=None, country="EIRE")])
    assert from_csv == from_parquet


def test_customer_numbers_written_as_floats_are_the_same_customers(tmp_path):
    events, _ = read(tmp_path, [line("1", customer=17850.0), line("2", customer=float("nan"))])

    assert [event.user_id for event in events] == ["17850", "anonymous:2"]


def test_the_whole_file(real_log):
    path, skipped = real_log("online_retail.parquet"), SkippedRows()
    events = list(read_events(path, LogFormat.ONLINE_RETAIL, skipped=skipped))
    table = parquet.read_table(path, columns=["InvoiceNo", "Country"])

    assert skipped.counts == {"stock adjustment": 1_336, "bad-debt adjustment": 3}
    assert len(events) + skipped.total == len(set(table["InvoiceNo"].to_pylist())) == 25_900
    assert Counter(event.type for event in events) == {EventType.PURCHASE: 20_725, EventType.REFUND: 3_836}
    assert len({event.user_id for event in events if not event.user_id.startswith("anonymous:")}) == 4_372
    assert len({event.event_id for event in events}) == len(events)
    assert max(len(event.items) for event in events) == 1_114
    assert set(table["Country"].to_pylist()) == set(COUNTRY_CODES)
    times = [event.event_time_unix_micros for event in events]
    assert times == sorted(times)


def test_the_workbook_as_downloaded_reads_the_same(tmp_path, real_log):
    rows = [
        [row[name] for name in COLUMNS]
        for row in parquet.ParquetFile(real_log("online_retail.parquet")).read_row_group(0).slice(0, 3_000).to_pylist()
    ]
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet("Online Retail")
    sheet.append(COLUMNS)
    for row in rows:
        # Excel took numbers for what looks like one.
        sheet.append([int(cell) if isinstance(cell, str) and cell.isdecimal() else cell for cell in row])
    workbook.save(tmp_path / "Online Retail.xlsx")
    skipped = SkippedRows()
    from_excel = list(read_events(tmp_path / "Online Retail.xlsx", LogFormat.ONLINE_RETAIL, skipped=skipped))
    from_parquet, skips_of_parquet = read(tmp_path, rows)

    assert len(from_excel) > 100
    assert from_excel == from_parquet
    assert (skipped.counts, skipped.examples) == (skips_of_parquet.counts, skips_of_parquet.examples)


def test_a_bad_first_line_still_opens_its_invoice(tmp_path):
    [event], skipped = read(tmp_path, [line("1", quantity=0, customer="12345"), line("1", customer="17850")])

    assert event.user_id == "12345"
    what = "expected a whole quantity other than 0, at most 1000000, got 0"
    assert skipped.counts == {f"column 'Quantity': {what}": 1}


@pytest.mark.parametrize(("cells", "what"), [({"number": None}, "an InvoiceNo"), ({"date": None}, "expected a time")])
def test_a_line_that_opens_no_invoice_is_counted(tmp_path, cells, what):
    events, skipped = read(tmp_path, [line(**{"number": "1"} | cells), line("2")])

    assert [event.order_id for event in events] == ["2"]
    assert [what in reason for reason in skipped.counts] == [True]
