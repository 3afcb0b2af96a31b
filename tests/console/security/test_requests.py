from __future__ import annotations

import pytest

from support.consoles import NOWHERE, console_of


def sign_in(console):
    """Sign in without asking a server."""
    session = console.console.sessions.start(name="Ada", token="", is_admin=True)
    console.client.cookies.set("presage_console", session, domain="127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost", "LOCALHOST:1", "[::1]:8050"])
async def test_requests_for_the_names_of_this_host_are_answered(offline, host):
    assert (await offline.get("/sign-in", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8050", "127.0.0.1.evil.example", "[::1", ""])
async def test_requests_for_other_names_are_rejected(offline, host):
    answer = await offline.get("/sign-in", headers={"host": host})
    assert answer.status_code == 421
    assert "--allowed-hosts" in answer.text


async def test_names_can_be_allowed():
    async with console_of(NOWHERE, allowed_hosts="console.shop.example, other") as console:
        for host in ("console.shop.example", "other:81", "localhost"):
            assert (await console.get("/sign-in", headers={"host": host})).status_code == 200


async def test_beyond_loopback_only_the_names_that_are_allowed_are_known():
    settings = {"host": "0.0.0.0", "insecure": True, "allowed_hosts": "console.shop.example"}
    async with console_of(NOWHERE, **settings) as console:
        assert (await console.get("/sign-in", headers={"host": "console.shop.example"})).status_code == 200
        assert (await console.get("/sign-in", headers={"host": "localhost"})).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
    ],
    ids=str,
)
async def test_what_another_site_sends_is_rejected_whoever_is_signed_in(offline, headers):
    sign_in(offline)
    answer = await offline.post("/sign-out", {}, headers=headers)
    assert answer.status_code == 403
    assert "Sign out" in (await offline.get("/")).text


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"origin": "http://127.0.0.1:8050"}, {}], ids=str
)
async def test_what_our_own_pages_send_is_accepted(offline, headers):
    sign_in(offline)
    assert (await offline.post("/sign-out", {}, headers=headers)).status_code == 303
    assert "Sign out" not in (await offline.get("/")).text


async def test_pages_can_be_opened_from_other_sites(offline):
    assert (await offline.get("/", headers={"sec-fetch-site": "cross-site"})).status_code == 200


async def test_health_is_asked_for_by_any_name(offline):
    answer = await offline.get("/healthz", headers={"host": "10.1.2.3:8050"})
    assert (answer.status_code, answer.text) == (200, "ok\n")
