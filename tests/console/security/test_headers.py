from __future__ import annotations

import re

import pytest
from starlette.routing import Route

from support.consoles import NOWHERE, console_of

PAGES = [
    "/",
    "/live",
    "/models",
    "/visitors",
    "/drift",
    "/items",
    "/sign-in",
    "/nowhere",
    "/healthz",
    "/static/console.css",
]


async def fail(_request):
    raise RuntimeError("a defect")


@pytest.mark.parametrize("path", PAGES)
async def test_every_answer_has_the_policy_and_cannot_be_framed(offline, path):
    headers = (await offline.get(path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES[:-2])
async def test_no_page_has_a_script_or_a_style_in_itself(offline, path):
    page = (await offline.get(path)).text
    assert not re.findall(r"<script(?![^>]*\ssrc=)", page)
    assert not re.findall(r"<style|<[^>]+\s(style|on\w+|hx-on[:\w-]*)=", page)
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)


async def test_a_defect_is_answered_with_the_headers_and_without_its_text(caplog):
    async with console_of(NOWHERE, routes=[Route("/fail/{rest:path}", fail)]) as console:
        answer = await console.get("/fail/%1b%5b31mFORGED")
    assert answer.status_code == 500
    assert "content-security-policy" in answer.headers
    assert "a defect" not in answer.text.replace("This is a defect of the console", "")
    (record,) = [record for record in caplog.records if record.name == "presage_console.problems"]
    assert record.getMessage() == "GET '/fail/\\x1b[31mFORGED' failed"


async def test_only_files_that_are_asked_for_with_their_digest_are_kept(offline):
    page = (await offline.get("/")).text
    (address,) = re.findall(r'href="(/static/console\.css\?v=\w+)"', page)
    assert "immutable" in (await offline.get(address)).headers["cache-control"]
    assert (await offline.get("/static/console.css")).headers["cache-control"] == "no-cache"
