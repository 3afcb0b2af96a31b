"""Pages in a real browser: what it complains of, accessibility, screenshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

__all__ = ["browser_path", "check_accessibility", "open_page", "running_browser", "screenshot", "takes_screenshots"]

SCREENSHOTS = Path(__file__).parents[2] / "docs" / "images" / "console"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SERIOUS = {"serious", "critical"}


def browser_path() -> str | None:
    """Return the chromium that is installed; None if there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextmanager
def running_browser(path: str) -> Iterator[Browser]:
    """Run chromium for as long as the context lasts. No asyncio test can run meanwhile in the same thread."""
    with sync_playwright() as playwright:
        # Without its sandbox, which root cannot have; it opens our own pages only.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, **context: Any) -> Iterator[Page]:
    """Open a page; fails at the end if a script failed, or the content security policy stopped something.

    Args:
        browser: The browser.
        context: How it is: ``color_scheme``, ``viewport``, ``java_script_enabled`` and others of playwright's new_context.
    """
    found: list[str] = []
    opened = browser.new_context(**({"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | context))
    page = opened.new_page()
    page.on("pageerror", lambda error: found.append(f"a script failed: {error}"))
    page.on("console", lambda message: found.append(message.text) if "Content Security" in message.text else None)
    try:
        yield page
    finally:
        opened.close()
    assert not found, "\n".join(found)


def check_accessibility(page: Page) -> None:
    """Check the page as it is now with axe-core; nothing serious may be found, and nothing may be cut off at the side."""
    # Through the browser's debugger, which no content security policy stops.
    violations = Axe().run(page).response["violations"]
    serious = [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html']}"
        for one in violations
        if one["impact"] in _SERIOUS
        for node in one["nodes"]
    ]
    assert not serious, "\n".join([page.url, *serious])
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1], f"{page.url} is {width[0]} pixels wide in a window of {width[1]}"


def takes_screenshots() -> bool:
    """Whether this is ``make screenshots``."""
    return bool(os.environ.get("SCREENSHOTS"))


def screenshot(page: Page, name: str) -> None:
    """Write docs/images/console/NAME.png under ``make screenshots``, and nothing otherwise."""
    if takes_screenshots():
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        # Folders that only this run has are no example.
        page.locator("code").evaluate_all(
            """codes => codes.forEach(code =>
                code.textContent = code.textContent.replace(/\\S*\\/pytest-\\d+\\/([a-z-]+)\\d*/, "/srv/presage/$1"))"""
        )
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
