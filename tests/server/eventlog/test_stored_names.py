"""What a running server and an archive of its store write: names and layout that other tools rely on, spelled out."""

from __future__ import annotations

import asyncio
import json

from pyarrow import parquet

from presage_featurizer.event_log import partition_of
from support.archives import archive_once
from support.running_server import GENEROUS_SECONDS, serving, track

NOW = 1_700_000_000_000_000
STREAM = "{p886}:events"


async def test_streams_and_archive_have_the_names_that_are_documented(store, models, tmp_path):
    async with serving(redis_url=store.url, models=models, sample_vectors_share=1.0) as served:
        event = track("u1", "first", event_time_unix_micros=NOW)
        event.score = True
        await served.stub.TrackEvent(event)
        await served.stub.TrackEvent(track("u1", "second", event_time_unix_micros=NOW))
        async with asyncio.timeout(GENEROUS_SECONDS):
            while store.redis.xlen(STREAM) < 3:  # noqa: ASYNC110 - the server logs the vector later
                await asyncio.sleep(0.01)
    entries = [fields for _, fields in store.redis.xrange(STREAM)]
    assert sorted(sorted(fields) for fields in entries) == [[b"event"], [b"event", b"fresh"], [b"vector"]]
    assert [fields[b"fresh"] for fields in entries if b"fresh" in fields] == [b"1"]
    assert set(store.redis.scan_iter()) == {b"{p886}:u:u1", STREAM.encode()}

    archive_once(store, tmp_path)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        "archive.json",
        "events/day=2023-11-14/part-0000000001.parquet",
        "lock",
        "vectors/day=2023-11-14/part-0000000001.parquet",
    ]
    checkpoint = json.loads((tmp_path / "archive.json").read_bytes())
    assert list(checkpoint) == ["archive_id", "version", "batch", "files", "archived", "positions", "catalogue"]
    assert (checkpoint["version"], checkpoint["batch"], checkpoint["files"]) == (1, 1, [files[1], files[3]])
    assert (checkpoint["archived"], checkpoint["positions"][str(partition_of("u1"))]["counted"]) == (3, 3)
    (group,) = store.redis.xinfo_groups(STREAM)
    assert group["name"].decode().startswith("archive-")

    place = ["partition: int16 not null", "entry_unix_millis: int64 not null", "entry_sequence: int64 not null"]
    texts = "item_id: string not null, category: string not null, brand: string not null"
    shown = "position: int64, rank_id: string, propensity: double"
    item = f"{texts}, price_micros: int64 not null, quantity: int64 not null, {shown}"
    assert schema(tmp_path / files[1]) == [
        *place,
        "fresh: bool not null",
        "event_id: string",
        "type: string",
        "user_id: string",
        "event_time: timestamp[us, tz=UTC]",
        "session_id: string",
        f"items: list<element: struct<{item}> not null>",
        "country: string",
        "device: string",
        "order_id: string",
        "value_micros: int64",
        "currency: string",
        "server_clock_unix_micros: int64",
        "numbers: map<string, double>",
        "labels: map<string, string>",
        "unreadable_event: binary",
    ]
    assert schema(tmp_path / files[3]) == [
        *place,
        "user_id: string not null",
        "session_id: string not null",
        "as_of: timestamp[us, tz=UTC] not null",
        "last_event: binary not null",
        "model: string not null",
        "model_version: string not null",
        "fingerprint: string not null",
        "values: list<element: float not null> not null",
        "score: double not null",
        "arm: int16",
        "propensity: double",
        "prior: bool",
        "other_versions: list<element: string not null>",
        "other_scores: list<element: double not null>",
    ]


def schema(path) -> list[str]:
    fields = parquet.ParquetFile(path).schema_arrow
    # Arrow adds the name of the column to the type of a map that it reads.
    types = [str(field.type).replace(f" ('{field.name}')", "") for field in fields]
    return [
        f"{field.name}: {kind}{'' if field.nullable else ' not null'}"
        for field, kind in zip(fields, types, strict=True)
    ]
