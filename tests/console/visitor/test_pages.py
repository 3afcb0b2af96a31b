"""The page of a visitor, with a real server and a real archive, without a browser."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from contextlib import asynccontextmanager
from html import unescape
from urllib.parse import quote

import pytest

import presage_console.visitor
from presage_client import AsyncClient, ClientOptions, Event, EventType, Item
from presage_featurizer import Event as FoldedEvent
from presage_featurizer import EventType as FoldedEventType
from support.archives import archive_once, logged_vectors
from support.bundles import write_small_bundle
from support.consoles import console_of, text_of
from support.events import START_UNIX_MICROS
from support.projects import DECLARATION, SOURCE, custom_features
from support.running_server import GENEROUS_SECONDS, serving
from support.written_archives import entries_of, write_archive

ODD = "<script>alert('x')</script> & \"ada\"/ö?id=2#why"
MINUTE_MICROS = 60 * 10**6


def story(user_id, now):
    kinds = [EventType.PAGE_VIEW, EventType.VIEW_ITEM, EventType.VIEW_ITEM, EventType.ADD_TO_CART]
    for place, kind in enumerate(kinds):
        yield Event(
            type=kind,
            user_id=user_id,
            event_id=f"{user_id}-{place}",
            event_time_unix_micros=now - (len(kinds) - place) * MINUTE_MICROS,
            items=[Item(item_id=f"<b>{place}</b>", category="shoes", price=80.0)],
            labels={"channel": "email", "note": "<i>1</i>"},
            numbers={"margin": 4.5},
        )


@asynccontextmanager
async def visited(store, folder, models, *events, with_models=True, **settings):
    """A console of a server that counted events, and of their archive."""
    async with (
        serving(
            redis_url=store.url, models=models, sample_vectors_share=1.0, store_timeout_ms=60_000, **settings
        ) as server,
        AsyncClient(server.address, options=ClientOptions(timeout_ms=20_000)) as client,
    ):
        predictions = [(await client.track(event, score=True)).prediction for event in events]
        deadline = time.monotonic() + GENEROUS_SECONDS
        while len(logged_vectors(store.redis)) < len(events) and time.monotonic() < deadline:  # noqa: ASYNC110 - another task writes
            await asyncio.sleep(0.01)  # the server writes them behind its replies
        archive_once(store, folder / "archive")
        folders = {"archive": folder / "archive", "models": models if with_models else "", **_project(settings)}
        known = {name: str(path) for name, path in folders.items()}
        async with console_of(server.address, **known) as console:
            yield console, client, predictions


def _project(settings):
    return {"project": settings["project"]} if "project" in settings else {}


def address(user_id, **query):
    return f"/visitors?id={quote(user_id, safe='')}" + "".join(f"&{name}={value}" for name, value in query.items())


async def test_a_visitor_s_page_has_scores_reasons_and_nothing_but_text_from_outside(store, tmp_path, models):
    now = time.time_ns() // 1_000
    async with visited(store, tmp_path, models, *story(ODD, now)) as (console, _, predictions):
        assert "&lt;script&gt;alert(&#39;x&#39;)" in (await console.get("/visitors")).text
        found = await console.get(address(ODD))
        page = text_of(found.text)
        scores = [f"{prediction.score * 100:.1f} %" for prediction in predictions]
        rows = re.findall(r'aria-label="Event (\d): why".*?<td class="n">(.*?)</td>', found.text, re.DOTALL)
        assert rows == [(str(number), scores[number - 1]) for number in (4, 3, 2, 1)]
        assert page.count("the same features") >= 4
        assert "The archive is complete" in page
        assert "add up to the margin" in page
        for tag in ("<script>alert", "<b>", "<i>"):
            assert tag not in found.text

        link = re.findall(r'href="(/visitors\?id=[^"]*at=4[^"]*)"', found.text)[0].replace("&amp;", "&")
        chosen = text_of((await console.get(link)).text)
        assert f"Why {scores[3]} after event 4" in chosen
        assert "add up to the margin" in chosen
        assert "add_to_cart_events 1 addition to the cart in this session 1 0 changed" in chosen
        assert "In the cart Units Price &lt;b&gt;3&lt;/b&gt; 1 80" in chosen


@pytest.mark.slow
async def test_without_the_library_of_archives_the_rest_of_the_page_is_there(served, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "presage_console.visitor.archive_reader", raising=False)
    monkeypatch.delattr(presage_console.visitor, "archive_reader", raising=False)
    for name in ("presage_server.archive.reading", "presage_server.archive.visitor_rows"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    async with console_of(served.address, archive=str(tmp_path)) as console:
        for path in ("/visitors", "/visitors?id=ada"):
            assert "pip install 'presage-scoring[console,train]'" in unescape(text_of((await console.get(path)).text))


async def test_without_an_archive_the_page_says_what_it_would_add_and_what_cannot_be_is_refused(pages):
    assert "--archive FOLDER" in text_of((await pages.get("/visitors")).text)
    page = text_of((await pages.get("/visitors?id=ada")).text)
    assert "--archive FOLDER" in page
    assert "The server has no history of this visitor" in page
    assert "expected a ranking model, but none is served" in page
    for query in ("id=a&page=x", "id=a&at=-1", f"id={'a' * 257}", "id=a&page=99999999999999"):
        assert (await pages.get(f"/visitors?{query}")).status_code == 400


@pytest.mark.slow
async def test_without_the_folder_of_models_the_past_has_scores_and_features_and_no_reasons(store, tmp_path, models):
    now = time.time_ns() // 1_000
    async with visited(store, tmp_path, models, *story("ada", now), with_models=False) as (console, _, predictions):
        page = text_of((await console.get(address("ada", at=4))).text)
        assert "start the console with the folder of the models (--models)" in page
        assert f"{predictions[3].score * 100:.1f} %" in page
        assert "add_to_cart_events 1 addition to the cart in this session 1 0 changed" in page
        assert "add up to the margin" in text_of((await console.get(address("ada"))).text)


@pytest.mark.slow
async def test_events_that_are_newer_than_the_archive_are_said_and_both_values_shown(store, tmp_path, models):
    now = time.time_ns() // 1_000
    async with visited(store, tmp_path, models, *story("ada", now)) as (console, client, _):
        await client.track(Event(type=EventType.ADD_TO_CART, user_id="ada", items=[Item(item_id="hat", price=9.0)]))
        page = text_of((await console.get(address("ada"))).text)
        assert "The server knows more than the archive." in page
        assert re.search(r"add_to_cart_events 2 1 differs", page)
        archive_once(store, tmp_path / "archive")
        page = text_of((await console.get(address("ada"))).text)
        assert "The archive is complete" in page
        assert "Archived events 5" in page


@pytest.mark.slow
async def test_a_visitor_of_whom_nothing_is_known_gets_what_somebody_new_gets(store, tmp_path, models):
    async with visited(store, tmp_path, models, *story("ada", time.time_ns() // 1_000)) as (console, _, _):
        page = text_of((await console.get(address("nobody"))).text)
        assert "The server has no history of this visitor" in page
        assert "The archive has no event of this visitor" in page
        assert "add up to the margin" in page


@pytest.mark.slow
async def test_a_visitor_whose_beginning_is_not_archived_has_no_scores(store, tmp_path, models):
    now = time.time_ns() // 1_000
    first, *rest = story("ada", now)
    async with visited(store, tmp_path, models, first) as (before, client, _):
        (tmp_path / "archive").rename(tmp_path / "earlier")
        store.redis.delete(*store.redis.keys("*:events"))
        for event in rest:
            await client.track(event)
        archive_once(store, tmp_path / "archive")
        async with console_of(before.console.server.target, archive=str(tmp_path / "archive")) as console:
            page = text_of((await console.get(address("ada"))).text)
            assert "first events are not in the archive" in page
            assert "The archive is complete" not in page
            assert "Archived events 3" in page


@pytest.mark.slow
async def test_a_projects_own_features_are_folded_and_said_in_words(store, tmp_path):
    project = tmp_path / "shop"
    project.mkdir()
    (project / "features.toml").write_text(DECLARATION)
    (project / "features.py").write_text(SOURCE)
    own = custom_features()
    models = tmp_path / "models"
    write_small_bundle(models, feature_set=own.feature_set)
    now = time.time_ns() // 1_000
    async with visited(store, tmp_path, models, *story("ada", now), project=project) as (console, _, _):
        page = text_of((await console.get(address("ada", at=4))).text)
        assert "The archive is complete" in page
        assert "margin_viewed" in page
        assert page.count("the same features") >= 4


@pytest.mark.slow
async def test_ten_thousand_events_come_in_pages(served, tmp_path, monkeypatch):
    asked = []
    score_vectors = AsyncClient.score_vectors

    async def noting(self, rows, **options):
        asked.append(len(rows))
        return await score_vectors(self, rows, **options)

    monkeypatch.setattr(AsyncClient, "score_vectors", noting)
    log = [
        FoldedEvent(f"e{number}", FoldedEventType.VIEW_ITEM, "ada", START_UNIX_MICROS + number * MINUTE_MICROS)
        for number in range(10_000)
    ]
    write_archive(tmp_path, entries_of(*log))
    async with console_of(served.address, archive=str(tmp_path)) as console:
        for path, numbers in (
            (address("ada"), range(9_951, 10_001)),
            (address("ada", page=200), range(1, 51)),
            (address("ada", at=5_000), range(4_951, 5_001)),
        ):
            found = await console.get(path)
            shown = [int(each) for each in re.findall(r'aria-label="Event (\d+): why"', found.text)]
            assert shown == list(numbers)[::-1]
            assert len(found.text) < 200_000
        assert "Page 101 of 200" in text_of(found.text)
    assert max(asked) <= 51


@pytest.mark.slow
async def test_an_archive_that_cannot_be_read_is_said_on_the_page(served, tmp_path):
    (tmp_path / "archive.json").write_text("{}")
    async with console_of(served.address, archive=str(tmp_path)) as console:
        for path in ("/visitors", "/visitors?id=ada"):
            found = await console.get(path)
            assert found.status_code == 200
            assert "archive.json: cannot be read" in text_of(found.text)
