"""``presage items load``: files as shops have them, sent to a running server; bad rows are named and nothing is half stored."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import grpc
import pyarrow as pa
import pytest
from pyarrow import parquet

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.items.catalogue_files import CatalogueFileError, open_catalogue
from presage_server.items.catalogue_rows import item_of
from presage_server.items.changes import ChangesReader
from support.running_server import GENEROUS_SECONDS, server_process

JANUARY = 1_769_817_600_000_000
"""2026-01-31 in UTC."""


@pytest.fixture(scope="module")
def server(shared_store, models, tmp_path_factory):
    shared_store.redis.flushall()
    flags = ("--redis-url", shared_store.url, "--models", str(models), "--no-follow-items")
    with server_process(tmp_path_factory.mktemp("server") / "log", *flags) as process:
        yield process


def load(server, path: Path, *flags: str) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    command = [
        Path(sysconfig.get_path("scripts"), "presage"),
        "items",
        "load",
        path,
        "--target",
        server.address,
        *flags,
    ]
    done = subprocess.run(
        command,
        env=environment | {"COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=GENEROUS_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def stored(store) -> dict[str, CatalogueChange]:
    reader, found = ChangesReader(store.redis), {}
    while entries := reader.read(2**62):
        found |= {change.item_id: change for entry in entries for change in entry.changes}
    return found


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_a_csv_is_stored_row_by_row(server, store, tmp_path):
    path = write(
        tmp_path / "items.csv",
        "item_id,price,category,brand,tags,stock,blocked,first_seen,colour",
        'a,9.99,"shoes, red",nike,new|sale,3,false,2026-01-31,red',
        "b,,,,,,,,",
        "c,0,,,,0,yes,2026-01-31T00:00:00+00:00,",
    )
    code, out, err = load(server, path)
    assert (code, err) == (0, "presage items load: not used: columns 'colour'\n")
    assert "ended; rows=3 stored=3 rejected=0" in out
    assert stored(store) == {
        "a": CatalogueChange("a", 9_990_000, "shoes, red", "nike", ("new", "sale"), 3, False, JANUARY),
        "b": CatalogueChange("b"),
        "c": CatalogueChange("c", 0, stock=0, blocked=True, first_seen_unix_micros=JANUARY),
    }


def test_bad_rows_are_named_with_their_lines_and_the_others_are_stored(server, store, tmp_path):
    path = tmp_path / "items.csv"
    lines = [
        b"item_id,price,stock",
        b"a,1,1",
        b"b,cheap,1",
        b"c,-5,2",
        b",1,1",
        b"d,1",
        b"\xff,1,1",
        b"e,nan,1",
        b"f,1,9",
    ]
    path.write_bytes(b"\n".join(lines))
    code, out, err = load(server, path)
    assert code == 1
    assert "rows=8 stored=2 rejected=6" in out
    assert set(stored(store)) == {"a", "f"}
    for expected in (
        "line 3: price: expected a number, got 'cheap'",
        "line 4: price: expected 0 to 1e+09, got -5",
        "line 5: item_id: expected 1 to 256 bytes, got none",
        "line 6: expected 3 columns, got 2",
        "line 7: is not text in UTF-8 or the encoding given; name the file's with --encoding, such as cp1252",
        "line 8: price: expected 0 to 1e+09, got nan",
    ):
        assert expected in err


def test_columns_of_other_names_are_mapped(server, store, tmp_path):
    path = write(tmp_path / "items.csv", "sku,unit price,price", "a,2.5,7")
    assert load(server, path, "--columns", "item_id=sku, price=unit price")[0] == 0
    assert stored(store) == {"a": CatalogueChange("a", 2_500_000)}


def test_parquet_is_stored_with_its_types(server, store, tmp_path):
    path = tmp_path / "items.parquet"
    table = pa.table(
        {
            "item_id": pa.array([1, 2], pa.int64()),
            "price": pa.array([1.5, float("nan")]),
            "category": ["x", None],
            "tags": [["new", "sale"], None],
            "stock": pa.array([3, None], pa.int32()),
            "blocked": [True, None],
            "first_seen": pa.array([datetime(2026, 1, 31, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        }
    )
    parquet.write_table(table, path)
    code, out, _ = load(server, path)
    assert (code, "rows=2 stored=2" in out) == (0, True)
    assert stored(store) == {
        "1": CatalogueChange("1", 1_500_000, "x", None, ("new", "sale"), 3, True, JANUARY),
        "2": CatalogueChange("2"),
    }


def test_the_last_row_of_an_item_holds(server, store, tmp_path):
    path = write(tmp_path / "items.csv", "item_id,stock", *(f"same-{n % 7},{n}" for n in range(2_000)))
    code, _, err = load(server, path)
    assert (code, err) == (
        0,
        "presage items load: 1,993 rows are of items of earlier rows; the last of each holds\n",
    )
    assert {item_id: change.stock for item_id, change in stored(store).items()} == {
        f"same-{n % 7}": n for n in range(1_993, 2_000)
    }


@pytest.mark.parametrize(
    ("lines", "flags", "expected"),
    [
        ((), (), "items.csv: is empty; expected a first line with the names of its columns"),
        (("item_id", "a"), ("--encoding", "latin-99"), "--encoding: unknown encoding: latin-99"),
        (("sku", "a"), (), "expected a column 'item_id' among 'sku'; name the one that holds the ids"),
        (("item_id", "a"), ("--columns", "colour=red"), "--columns: expected fields among item_id, price"),
        (("item_id", "a"), ("--columns", "price=cost"), "has no column 'cost'; it has 'item_id'"),
        (("item_id", "a"), ("--columns", "price"), "--columns: expected FIELD=COLUMN, got 'price'"),
    ],
)
def test_a_file_that_does_not_fit_is_not_begun(server, tmp_path, lines, flags, expected):
    code, out, err = load(server, write(tmp_path / "items.csv", *lines), *flags)
    assert (code, out) == (2, "")
    assert expected in err


@pytest.mark.parametrize(
    ("name", "separator", "flags"),
    [
        ("items.csv", ";", ()),
        ("items.csv", "\t", ()),
        ("items.tsv", "\t", ()),
        ("items.csv", ";", ("--encoding", "cp1252")),
    ],
)
def test_other_separators_and_encodings_are_read(server, store, tmp_path, *, name, separator, flags):
    path = tmp_path / name
    lines = [separator.join(cells) for cells in (("item_id", "price", "tags"), ("käse", "9,90", "new|sale"))]
    path.write_text("\n".join(lines), encoding=flags[-1] if flags else "utf-8")
    assert load(server, path, *flags)[0] == 0
    assert stored(store) == {"käse": CatalogueChange("käse", 9_900_000, tags=("new", "sale"))}


def test_a_file_of_a_header_alone_says_so(server, tmp_path):
    path = write(tmp_path / "items.csv", "item_id,price")
    code, out, err = load(server, path)
    assert (code, err) == (0, f"presage items load: {path} has no rows, only the names of columns\n")
    assert "rows=0" in out


def test_files_that_cannot_be_read_are_named(tmp_path):
    for name in ("items.xls", "missing.csv", "missing.parquet"):
        with pytest.raises(CatalogueFileError, match=name), open_catalogue(tmp_path / name, {}):
            pass
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(CatalogueFileError, match="cannot be read"), open_catalogue(tmp_path / "broken.parquet", {}):
        pass


def test_a_server_of_another_kind_ends_the_command(tmp_path):
    path = write(tmp_path / "items.csv", "item_id", "a")
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        code, _, err = load(SimpleNamespace(address=f"127.0.0.1:{port}"), path)
    finally:
        server.stop(None).wait()
    assert code == 2
    assert "the server answers UNIMPLEMENTED" in err


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"stock": "2.5"}, "stock: expected a whole number, got '2.5'"),
        ({"stock": 2.0}, {"stock": 2}),
        ({"blocked": "maybe"}, "blocked: expected true or false, got 'maybe'"),
        ({"blocked": "No"}, {"blocked": False}),
        ({"first_seen": "yesterday"}, "first_seen: expected a date as in 2026-01-31"),
        ({"first_seen": str(JANUARY)}, {"first_seen_unix_micros": JANUARY}),
        ({"first_seen": date(2026, 1, 31)}, {"first_seen_unix_micros": JANUARY}),
        ({"item_id": 1.5}, "item_id: expected text or a whole number, got 1.5"),
        ({"stock": 10**30}, "stock: expected a whole number below 9223372036854775808, got 1000"),
        ({"price": "9,90"}, {"price": 9.9}),
        ({"price": "1.234,5"}, {"price": 1234.5}),
        ({"price": "1,234"}, "price: expected a number, got '1,234'"),
        ({"price": True}, "price: expected a number, got True"),
    ],
)
def test_values_are_read_by_their_field(values, expected):
    if isinstance(expected, dict):
        assert item_of(values) == pb.CatalogueItem(**expected)
    else:
        with pytest.raises(ValueError, match=expected):
            item_of(values)
