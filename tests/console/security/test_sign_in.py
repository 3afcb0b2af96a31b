from __future__ import annotations

import pytest
from starlette.routing import Route

from presage_console.security.changes import changes
from presage_console.security.sessions import LASTS_SECONDS
from support.consoles import NOWHERE, OWN_TOKEN, console_of, text_of
from support.running_server import serving
from support.tokens import secret_of, write_tokens

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def changed():
    """What the change below was called with."""
    return []


@pytest.fixture
def routes(changed):
    """A change of something."""

    async def change(_request, what):
        changed.append((what.form["value"], what.name, what.token))
        return f"/?changed={what.form['value']}"

    return [Route("/change", changes(change), methods=["POST"])]


@pytest.fixture
async def with_tokens(store, models, tmp_path):
    """A server that asks for tokens: ``reader`` may score, ``admin`` administrate, ``both`` both, ``tracker`` neither."""
    file = tmp_path / "tokens.json"
    write_tokens(file, reader="score", admin="admin", both="score admin", tracker="track")
    async with serving(redis_url=store.url, models=models, tokens_file=str(file)) as server:
        (tmp_path / "console-token").write_text(f"{secret_of('both')}\n")
        yield server, {"server_token_file": str(tmp_path / "console-token")}


async def test_a_change_by_an_admin_is_made_once_and_answered_303(served, routes, changed):
    async with console_of(served.address, routes=routes) as console:
        assert (await console.sign_in(name="Ada")).status_code == 303
        answer = await console.post("/change", {"value": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?changed=1")
    assert changed == [("1", "Ada", "")]


async def test_nobody_changes_anything_without_signing_in(served, routes, changed):
    async with console_of(served.address, routes=routes) as console:
        answer = await console.post("/change", {"value": "1"}, headers={"referer": "http://127.0.0.1:8050/models?x=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/models")
    assert changed == []


@pytest.mark.parametrize("csrf", ["", "x" * 43, "ä"])
async def test_a_form_without_the_field_of_its_session_changes_nothing(served, routes, changed, csrf):
    async with console_of(served.address, routes=routes) as console:
        await console.sign_in()
        answer = await console.post("/change", {"value": "1", "csrf": csrf})
    assert answer.status_code == 403
    assert "another session" in text_of(answer.text)
    assert changed == []


async def test_where_the_server_has_no_tokens_only_the_consoles_own_is_accepted(pages):
    for token in ("anything", "", "two words", "ä", OWN_TOKEN[:-1]):
        answer = await pages.sign_in(token)
        assert answer.status_code == 403, token
        assert "set-cookie" not in answer.headers
    assert (await pages.sign_in(OWN_TOKEN)).status_code == 303


async def test_where_the_server_has_tokens_it_decides_and_changes_are_made_with_the_operators(
    with_tokens, routes, changed
):
    server, settings = with_tokens
    async with console_of(server.address, routes=routes, **settings) as console:
        for token in (OWN_TOKEN, "unknown", secret_of("tracker")):
            assert (await console.sign_in(token)).status_code == 403
        assert (await console.sign_in(secret_of("admin"))).status_code == 303
        assert (await console.post("/change", {"value": "2"})).status_code == 303
    assert changed == [("2", "Ada", secret_of("admin"))]


async def test_a_token_that_may_only_score_reads_and_changes_nothing(with_tokens, routes, changed):
    server, settings = with_tokens
    async with console_of(server.address, routes=routes, sign_in="everything", **settings) as console:
        assert (await console.get("/")).headers["location"] == "/sign-in?next=/"
        assert (await console.sign_in(secret_of("reader"))).status_code == 303
        assert (await console.get("/")).status_code == 200
        answer = await console.post("/change", {"value": "3"})
    assert answer.status_code == 403
    assert "scope admin" in text_of(answer.text)
    assert changed == []


async def test_where_everything_needs_a_sign_in_only_its_page_and_its_style_are_open():
    async with console_of(NOWHERE, sign_in="everything") as console:
        assert (await console.get("/visitors?id=a%20b")).headers["location"] == "/sign-in?next=/visitors%3Fid%3Da%2520b"
        assert (await console.get("/live", headers={"accept": "text/event-stream"})).status_code == 401
        assert (await console.post("/change", {"value": "1"})).status_code == 401
        for path in ("/sign-in", "/static/console.css", "/healthz"):
            assert (await console.get(path)).status_code == 200


async def test_a_console_that_others_can_reach_shows_pages_to_nobody_who_is_not_signed_in():
    async with console_of(NOWHERE, host="0.0.0.0", insecure=True, allowed_hosts="127.0.0.1") as console:
        assert (await console.get("/")).status_code == 303


async def test_the_cookie_is_for_this_site_and_no_script(served):
    for url, name, secure in (
        ("http://127.0.0.1:8050", "presage_console", False),
        ("https://localhost", "__Host-presage_console", True),
    ):
        async with console_of(served.address, url=url) as console:
            cookie = (await console.sign_in()).headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert ("Secure" in cookie) is secure


async def test_each_sign_in_starts_another_session_and_ends_the_one_before(pages):
    await pages.sign_in()
    first = pages.client.cookies["presage_console"]
    await pages.sign_in()
    assert pages.client.cookies["presage_console"] != first
    assert pages.console.sessions.find(first) is None


async def test_a_session_ends_by_signing_out_and_by_its_time(served):
    now = [1_000_000]
    async with console_of(served.address, now=lambda: now[0]) as console:
        await console.sign_in()
        left = console.client.cookies["presage_console"]
        await console.post("/sign-out", {})
        assert console.console.sessions.find(left) is None
        await console.sign_in()
        assert "Sign out" in (await console.get("/")).text
        now[0] += LASTS_SECONDS * 1_000_000
        assert "Sign out" not in (await console.get("/")).text


async def test_signing_in_leads_to_no_other_site(pages):
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\\b", "/a\nb", "evil"):
        answer = await pages.post("/sign-in", {"token": OWN_TOKEN, "name": "Ada", "next": target})
        assert answer.headers["location"] == "/", target


async def test_markup_in_what_a_browser_sends_is_text(pages):
    answer = await pages.get("/sign-in", params={"next": f"/{MARKUP}\"'"})
    assert MARKUP not in answer.text
    assert 'value="/&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;"' in answer.text
    await pages.sign_in(name=MARKUP)
    page = (await pages.get("/")).text
    assert MARKUP not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\nb"])
async def test_a_name_for_the_history_is_needed(offline, name):
    answer = await offline.sign_in(name=name)
    assert answer.status_code == 400
    assert "name: expected 1 to 80 characters" in text_of(answer.text)


async def test_what_is_no_form_or_too_large_is_rejected(offline):
    assert (await offline.client.post("/sign-in", json={"token": OWN_TOKEN})).status_code == 415
    assert (await offline.post("/sign-in", {"token": "x" * 70_000})).status_code == 413
    assert (await offline.post("/sign-in", {str(number): "" for number in range(201)})).status_code == 400


async def test_a_server_that_cannot_be_reached_signs_nobody_in():
    async with console_of("127.0.0.1:1") as console:
        answer = await console.sign_in(OWN_TOKEN)
    assert answer.status_code == 503
    assert "127.0.0.1:1" in text_of(answer.text)
    assert "set-cookie" not in answer.headers


def test_no_secret_is_in_what_a_log_would_show(offline):
    session = offline.console.sessions.find(offline.console.sessions.start(name="Ada", token="s3cr3t", is_admin=True))
    assert "s3cr3t" not in repr(session)
    assert session.csrf not in repr(session)
    assert OWN_TOKEN not in repr(offline.console)
