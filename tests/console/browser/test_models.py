"""An operator looks at a challenger, promotes it and rolls it back; and the pages of models in every light."""

from __future__ import annotations

import shutil

import pytest
from console.models.archives import write_archive
from console.models.folders import SHIPPED, change, used_models

from presage_export.registry import promote, read_aliases, set_shadow
from support.browsers import check_accessibility, open_page, screenshot
from support.consoles import OWN_TOKEN, running_console
from support.running_server import server_process

PAGES = (
    "/models",
    "/models/conversion",
    "/models/conversion/comparison",
    "/models/conversion/calibration",
    "/models/conversion/learning",
    "/models/conversion/versions/4",
    "/models/conversion/change?action=promote&version=4&seen=2",
    "/models/ranking/calibration",
)

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    folder = used_models(tmp_path / "models")
    shutil.copytree(SHIPPED / "ranking", folder / "ranking")
    return folder


@pytest.fixture
def console(store, tmp_path, folder):
    """A console of a server of a used folder, with an archive in which version 4 is the better one."""
    archive = write_archive(tmp_path / "archive", sessions=600, days=4, knowing="4", guessing="3")
    flags = ("--redis-url", store.url, "--models", str(folder), "--allow-set-aliases")
    with (
        server_process(tmp_path / "server.log", *flags) as server,
        running_console(server.address, models=str(folder), archive=str(archive)) as console,
    ):
        yield console


def sign_in(page):
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Token").fill(OWN_TOKEN)
    page.keyboard.press("Enter")


def test_a_challenger_is_promoted_and_rolled_back(browser_page, console, folder):
    page = browser_page
    page.goto(f"{console.url}/models")
    page.get_by_role("link", name="conversion").click()
    page.get_by_text("Version 4 challenger, 10.0 % of visitors").wait_for()
    screenshot(page, "models-versions")

    page.get_by_role("link", name="Comparison").click()
    page.get_by_role("heading", name="conversion/4 is better than conversion/3").wait_for()
    page.get_by_text("Advice: Promote version 4.").wait_for()
    assert page.get_by_role("row", name="log loss").get_by_role("cell", name="version 4 is better").is_visible()
    check_accessibility(page)
    screenshot(page, "models-comparison")

    page.get_by_role("link", name="Versions").click()
    page.get_by_role("button", name="Review the promotion").press("Enter")
    page.get_by_role("heading", name="Make version 4 the champion?").wait_for()
    page.get_by_role("main").get_by_role("link", name="Sign in").press("Enter")
    sign_in(page)
    page.get_by_text("Its advice: promote.").wait_for()
    page.get_by_label("Why, for the history").fill("better in pairs <b>")
    check_accessibility(page)
    screenshot(page, "models-change")
    assert read_aliases(folder / "conversion").champion == "3"
    page.get_by_role("button", name="Make version 4 the champion").press("Enter")
    page.get_by_text("Done: revision 5 holds: champion 3 → 4, challenger 4 → none").wait_for()
    assert page.get_by_role("cell", name="better in pairs <b>").is_visible()
    assert read_aliases(folder / "conversion").champion == "4"
    page.reload()
    assert read_aliases(folder / "conversion").revision == 5, "to reload the page changes nothing again"

    page.get_by_role("link", name="Review rolling it back").press("Enter")
    page.get_by_role("heading", name="Roll back the last change?").wait_for()
    page.get_by_role("button", name="Roll back the last change").press("Enter")
    page.get_by_text("Done: revision 6 holds: champion 4 → 3, challenger none → 4").wait_for()
    after = read_aliases(folder / "conversion")
    assert (after.champion, after.challenger, after.challenger_share) == ("3", "4", 0.1)
    check_accessibility(page)


def test_what_another_operator_changed_meanwhile_is_not_overwritten(browser_page, console, folder):
    page = browser_page
    page.goto(f"{console.url}/sign-in?next=/models/conversion")
    sign_in(page)
    page.get_by_label("Share of visitors, in percent").fill("50")
    page.get_by_role("button", name="Review the trial").click()
    page.get_by_role("heading", name="Try version 4 on 50 % of the visitors?").wait_for()
    here = folder / "conversion"
    change(folder, 90, promote(read_aliases(here), "2"), "version 4 frightens visitors", by="bob")
    change(folder, 91, set_shadow(read_aliases(here), "1", champion="2"), "only to see", by="bob")
    page.get_by_role("button", name="Try version 4 on 50 % of the visitors").click()
    alert = page.get_by_role("alert")
    alert.get_by_text("Nothing of yours was done.").wait_for()
    assert "bob" in alert.inner_text()
    assert "champion 3 → 2" in alert.inner_text()
    assert read_aliases(here).revision == 6
    check_accessibility(page)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_text("Version 2 champion").wait_for()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 320)], ids=["light", "dark", "phone"]
)
def test_the_pages_of_models_are_accessible(browser, console, scheme, width):
    with open_page(browser, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        for path in PAGES:
            page.goto(f"{console.url}{path}")
            page.get_by_text("The archive is being read.").wait_for(state="detached")
            check_accessibility(page)
            if (
                scheme == "light"
                and width > 1_000
                and path.endswith(("calibration", "learning"))
                and "ranking" not in path
            ):
                screenshot(page, f"models-{path.rpartition('/')[2]}")


def test_pages_work_without_scripts(browser, console, folder):
    with open_page(browser, java_script_enabled=False) as page:
        page.goto(f"{console.url}/sign-in?next=/models/conversion")
        sign_in(page)
        page.get_by_role("link", name="Review the end of the trial").click()
        page.get_by_role("button", name="End the trial of the challenger").click()
        page.get_by_text("Done: revision 5 holds: challenger 4 → none").wait_for()
        page.get_by_role("link", name="Comparison").click()
        while page.get_by_text("The archive is being read.").is_visible():
            page.get_by_role("link", name="look again").click()
        page.get_by_role("heading", name="is better than").wait_for()
    assert read_aliases(folder / "conversion").challenger == ""
