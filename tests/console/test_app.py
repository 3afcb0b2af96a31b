from __future__ import annotations

import re

from support.consoles import NOWHERE, console_of, text_of
from support.events import event
from support.written_archives import entries_of, write_archive

PAGES = ["/", "/live", "/models", "/visitors", "/drift", "/items"]


async def test_every_page_has_one_heading_a_title_and_a_skip_link(pages):
    for path in [*PAGES, "/sign-in"]:
        answer = await pages.get(path)
        assert answer.status_code == 200, path
        assert answer.text.count("<h1") == 1, path
        assert '<a class="skip" href="#main">' in answer.text
        assert "<title>" in answer.text
        assert answer.headers["cache-control"] == "no-store"


async def test_the_navigation_marks_the_page_that_is_open(pages):
    answer = await pages.get("/drift")
    assert answer.text.count('aria-current="page"') == 1
    assert 'href="/drift" aria-current="page"' in answer.text


async def test_an_unknown_page_is_named_in_words(pages):
    answer = await pages.get("/nowhere")
    assert answer.status_code == 404
    assert "Not Found" in text_of(answer.text)


async def test_the_home_page_says_what_is_connected_and_what_each_option_adds(pages, served):
    shown = text_of((await pages.get("/")).text)
    assert f"Server connected {served.address} Serves conversion, second." in shown
    assert "Metrics not connected" in shown
    assert "Connect it with --archive FOLDER" in shown


async def test_the_demo_shop_says_what_its_archive_needs(served):
    async with console_of(served.address, shop=True) as console:
        for path in ("/", "/visitors", "/visitors?id=ada", "/models/conversion/calibration"):
            shown = text_of((await console.get(path)).text)
            assert "a demo shop that the console starts brings an archive of its own" in shown, path


async def test_the_home_page_says_why_a_source_fails(tmp_path):
    options = {"metrics_url": "http://127.0.0.1:1/metrics", "archive": str(tmp_path), "models": str(tmp_path)}
    async with console_of(NOWHERE, redis_url="redis://:s3cr3t@127.0.0.1:1/0", **options) as console:
        answer = await console.get("/")
    shown = text_of(answer.text)
    assert answer.status_code == 200
    assert "Server failing" in shown
    assert "the metrics at http://127.0.0.1:1/metrics cannot be read" in shown
    assert "Archive failing" in shown
    assert "This folder has no models" in shown
    assert "Store failing 127.0.0.1:1 redis_url: the store cannot be used" in shown
    assert "s3cr3t" not in answer.text


async def test_the_home_page_says_what_there_is(served, store, models, tmp_path):
    write_archive(tmp_path, entries_of(event(), event(minutes=1)))
    options = {"archive": str(tmp_path), "models": str(models), "redis_url": store.url}
    async with console_of(served.address, **options) as console:
        shown = text_of((await console.get("/")).text)
    assert re.search(r"Archive connected \S+ 2 entries, the last ones (less than a|\d+) seconds? ago", shown)
    assert "2 versions of conversion, second." in shown
    assert "It answers." in shown


async def test_the_shop_opens_only_where_it_is_asked_for(served, pages):
    assert (await pages.get("/shop")).status_code == 404
    async with console_of(served.address, shop=True) as console:
        assert (await console.get("/shop")).status_code == 200
