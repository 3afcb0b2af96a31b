"""The pages of Drift, over a store in which a server's counts lie."""

from __future__ import annotations

import re
import shutil

import pytest

from presage_server.clock import system_clock
from support.bundles import write_small_bundle
from support.consoles import console_of, text_of
from support.drifting_server import serve_hours, write_bundle_with_baseline

pytestmark = pytest.mark.xdist_group("drift-console")

NO_SERVER = "127.0.0.1:1"


@pytest.fixture
async def planted(store, drift_models):
    """A day and a half, the last four hours without page views."""
    await serve_hours(store.url, drift_models, hours=30, spoilt_hours=4, now_unix_micros=system_clock())
    async with console_of(NO_SERVER, redis_url=store.url, models=str(drift_models)) as console:
        yield console


async def test_the_feature_that_changed_comes_first_and_its_page_says_how(planted):
    answer = await planted.get("/drift")
    assert answer.status_code == 200
    shown = text_of(answer.text)
    assert "conversion/1 1 alarm " in shown
    assert "9,000 rows; 30 windows" in shown
    links = re.findall(r'href="(/drift/[^"]+)"', answer.text)
    assert len(links) == 22
    assert links[0] == "/drift/conversion/1/page_views?days=7"
    assert "Zeros in 100.0 % of rows, usually " in shown

    page = await planted.get(links[0])
    shown = text_of(page.text)
    assert "page_views alarm" in shown
    assert "it goes on" in shown
    assert "Served beside training" in shown
    assert re.search(r"<th scope=\"row\">0</th><td class=\"n\">\d\d\.\d %</td><td class=\"n\">100\.0 %</td>", page.text)
    until = re.findall(r'href="(\?days=7&amp;until=\d+)#beside"', page.text)
    assert len(until) == 30
    chosen = text_of((await planted.get(f"{links[0].partition('?')[0]}{until[-1].replace('&amp;', '&')}")).text)
    assert "The window that was chosen" in chosen


async def test_what_is_no_column_or_no_version_is_not_found_and_shown_as_text(planted):
    for path in ("/drift/conversion/1/nothing", "/drift/conversion/9/page_views", "/drift/%3Cb%3E/1/%3Cscript%3E"):
        answer = await planted.get(path)
        assert answer.status_code == 404
        assert "<script>" not in answer.text.partition("<main")[2]


async def test_other_numbers_of_days_are_those_that_are_offered(planted):
    for query, expected in (("?days=1", "1"), ("?days=0", "7"), ("?days=x", "7")):
        answer = await planted.get(f"/drift{query}")
        assert answer.status_code == 200
        assert re.findall(r'aria-current="true">(\d+) days?<', answer.text) == [expected]


async def test_a_version_without_traffic_is_too_young_and_one_without_a_baseline_is_named(
    store, drift_models, tmp_path
):
    folder = shutil.copytree(drift_models, tmp_path / "models")
    write_small_bundle(folder, name="older")
    async with console_of(NO_SERVER, redis_url=store.url, models=str(folder)) as console:
        shown = text_of((await console.get("/drift")).text)
        column = text_of((await console.get("/drift/conversion/1/page_views")).text)
    assert "conversion/1 too young" in shown
    assert "a window takes 100 visitors" in shown
    assert "has no baseline: train the model again" in shown
    assert "Too young to be judged" in column


async def test_versions_that_serve_nobody_any_more_are_only_named(store, drift_models, tmp_path):
    folder = shutil.copytree(drift_models, tmp_path / "models")
    for version in ("2", "3"):
        write_bundle_with_baseline(folder, version=version)
    await serve_hours(store.url, folder, hours=3, now_unix_micros=system_clock())
    async with console_of(NO_SERVER, redis_url=store.url, models=str(folder)) as console:
        shown = text_of((await console.get("/drift")).text)
    assert "conversion/1 no alarm" in shown
    assert "by conversion/2, conversion/3." in shown
    assert "too young" not in shown


async def test_hours_with_too_few_visitors_for_a_window_are_counted_on_the_page(store, drift_models):
    await serve_hours(store.url, drift_models, hours=2, visitors_an_hour=30, now_unix_micros=system_clock())
    async with console_of(NO_SERVER, redis_url=store.url, models=str(drift_models)) as console:
        shown = text_of((await console.get("/drift")).text)
    found = re.search(r"Not yet in a window: 120 rows of about (\d+) visitors", shown)
    assert found
    assert int(found[1]) == pytest.approx(60, rel=0.1)


async def test_without_a_store_the_page_says_which_option_it_needs():
    async with console_of(NO_SERVER) as console:
        shown = text_of((await console.get("/drift")).text)
    assert "Start the console with --redis-url" in shown


async def test_a_store_that_is_away_is_said_on_the_page(drift_models):
    async with console_of(NO_SERVER, redis_url="redis://127.0.0.1:1", models=str(drift_models)) as console:
        for path in ("/drift", "/drift/conversion/1/page_views"):
            answer = await console.get(path)
            assert answer.status_code == 200
            assert "The store cannot be read: " in text_of(answer.text)
