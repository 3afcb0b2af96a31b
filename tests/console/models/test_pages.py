"""The pages of models, and what comes of their forms: on a real server, without a browser."""

from __future__ import annotations

import re

import pytest
from console.models.archives import write_archive
from msgspec.structs import replace

from presage_console.models import making
from presage_export.registry import Aliases, Verdict, append_verdict, read_aliases, read_changes, replace_aliases
from support.consoles import console_of, text_of
from support.running_server import serving

HERE = "/models/conversion"


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of the form that makes a change."""
    form = page.partition('method="post" action="/models/')[2].partition("</form>")[0]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def change_aliases(folder, **fields):
    present = read_aliases(folder / "conversion")
    changed = replace(present, **fields)
    replace_aliases(
        folder / "conversion", changed, now_unix_micros=1_790_000_100_000_000, changed_by="bob <b>", reason="hurry"
    )


async def test_all_models_are_shown_with_who_serves(console):
    shown = text_of((await console.get("/models")).text)
    assert "conversion default Scores visitors; 3 versions" in shown
    assert "Version 1 champion, 100.0 % of visitors" in shown
    assert "second Scores visitors; 1 version " in shown


async def test_a_model_says_what_can_be_changed_and_what_was(console):
    page = (await console.get(HERE)).text
    shown = text_of(page)
    assert "champion none → 1 the first 1" in shown
    assert shown.count("Review the promotion") == 1
    options = re.findall(r'<select id="promote-version".*?</select>', page)[0]
    assert re.findall(r"<option[^>]*>([^<]*)", options) == ["3", "2"], (
        "what the server has not tried to load may be good"
    )


async def test_one_version_alone_leaves_nothing_to_change_or_to_compare(console):
    shown = text_of((await console.get("/models/second")).text)
    assert "There is no other version that can be served: nothing to promote, to try or to compare." in shown
    assert "Nothing was changed yet." in shown
    compared = text_of((await console.get("/models/second/comparison")).text)
    assert "There is nothing to compare: second has no second version" in compared
    learned = text_of((await console.get("/models/second/learning")).text)
    assert "No version states how good it was, so there is no curve." in learned
    assert "No learner has decided anything here." in learned


async def test_a_version_says_what_its_bundle_lacks(console):
    answer = await console.get(f"{HERE}/versions/1")
    shown = text_of(answer.text)
    assert "importances: the trained model did not say how much each feature matters" in shown
    assert "How good it was Its bundle does not say." in shown
    assert "On this server: 64 golden rows" in shown
    assert (await console.get(f"{HERE}/versions/9")).status_code == 404


async def test_what_needs_the_archive_says_so(console):
    for page in ("comparison", "calibration"):
        shown = text_of((await console.get(f"{HERE}/{page}")).text)
        assert "Start the console with --archive FOLDER to see it." in shown


async def test_a_promotion_is_reviewed_made_and_rolled_back(console, folder):
    await console.sign_in(name="Ada <i>")
    review = await console.get(f"{HERE}/change?action=promote&version=2&seen=1")
    shown = text_of(review.text)
    assert "Make version 2 the champion?" in shown
    assert "Nothing is changed yet." in shown
    assert "1 changes champion none 100.0 % 0.0 %" in shown
    assert "No comparison of this version with the champion has been looked at" in shown
    assert read_aliases(folder / "conversion").champion == "1"

    made = await console.post(f"{HERE}/change", hidden(review.text) | {"reason": "<script>better</script>"})
    assert (made.status_code, made.headers["location"]) == (303, f"{HERE}?changed=2")
    assert read_aliases(folder / "conversion").champion == "2"
    page = await console.get(made.headers["location"])
    assert "Done: revision 2 holds: champion 1 → 2." in text_of(page.text)
    assert "&lt;script&gt;better&lt;/script&gt;" in page.text
    assert "Ada &lt;i&gt;" in page.text

    assert (await console.get(f"{HERE}/change?action=promote&version=2&seen={'9' * 5_000}")).status_code == 200
    back = await console.get(f"{HERE}/change?action=roll-back&seen=2")
    await console.post(f"{HERE}/change", hidden(back.text))
    assert read_aliases(folder / "conversion") == Aliases(champion="1", revision=3)
    assert [change.changed_by for change in read_changes(folder / "conversion")][1:] == ["Ada <i>", "Ada <i>"]


async def test_a_change_made_meanwhile_is_shown_and_not_overwritten(console, folder):
    await console.sign_in()
    review = await console.get(f"{HERE}/change?action=split&version=2&percent=20&seen=1")
    assert "since you looked" not in review.text
    change_aliases(folder, champion="2")
    answer = await console.post(f"{HERE}/change", hidden(review.text))
    assert answer.headers["location"] == f"{HERE}/change?action=split&version=2&percent=20&seen=1"
    assert read_aliases(folder / "conversion").champion == "2"

    change_aliases(folder, champion="1", shadow="2")
    again = await console.get(answer.headers["location"])
    assert "The aliases were changed since you looked. Nothing of yours was done." in text_of(again.text)
    assert "champion 1 → 2: “hurry”" in text_of(again.text)
    assert "champion 2 → 1, shadow none → 2" in text_of(again.text)
    assert "bob &lt;b&gt;" in again.text
    decided = await console.post(f"{HERE}/change", hidden(again.text))
    assert decided.headers["location"] == f"{HERE}?changed=4"
    after = read_aliases(folder / "conversion")
    assert (after.champion, after.challenger, after.challenger_share, after.shadow) == ("1", "2", 0.2, "")
    assert len(after.salt) == 16


@pytest.mark.slow
async def test_the_server_itself_rejects_what_was_changed_in_the_last_moment(console, folder, monkeypatch):
    await console.sign_in()
    review = await console.get(f"{HERE}/change?action=promote&version=2&seen=1")
    find_model = making.find_model

    async def find_and_lose(client, name):
        found = await find_model(client, name)
        change_aliases(folder, shadow="2")
        return found

    monkeypatch.setattr(making, "find_model", find_and_lose)
    answer = await console.post(f"{HERE}/change", hidden(review.text))
    assert answer.headers["location"] == f"{HERE}/change?action=promote&version=2&seen=1"
    assert read_aliases(folder / "conversion") == Aliases(champion="1", shadow="2", revision=2)


@pytest.mark.slow
async def test_a_version_that_cannot_be_served_changes_nothing(console, folder):
    await console.sign_in()
    review = await console.get(f"{HERE}/change?action=promote&version=3")
    answer = await console.post(f"{HERE}/change", hidden(review.text))
    assert answer.status_code == 409
    assert "The server rejected the change, and nothing was changed: " in text_of(answer.text)
    assert read_aliases(folder / "conversion").champion == "1"


async def test_nobody_changes_anything_without_signing_in(console, folder):
    review = await console.get(f"{HERE}/change?action=promote&version=2&seen=1")
    assert 'method="post" action="/models/' not in review.text
    assert "/sign-in?next=/models/conversion/change%3Faction%3Dpromote%26version%3D2%26seen%3D1" in review.text
    form = {"action": "promote", "version": "2", "revision": "1"}
    answer = await console.post(f"{HERE}/change", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/")
    await console.sign_in()
    assert (await console.post(f"{HERE}/change", form | {"csrf": "of another"})).status_code == 403
    assert read_aliases(folder / "conversion").revision == 1


async def test_a_server_that_allows_no_changes_says_so(store, folder):
    async with serving(redis_url=store.url, models=folder) as server, console_of(server.address) as console:
        await console.sign_in()
        answer = await console.post(f"{HERE}/change", {"action": "promote", "version": "2", "revision": "1"})
    assert answer.status_code == 403
    assert "Start the server with --allow-set-aliases" in text_of(answer.text)


INVALID = [
    ("/models/%3Cb%3Ex", 404, "&#39;&lt;b&gt;x&#39;"),
    ("/models/..%2Fsecond/learning", 404, "Not Found"),
    (f"{HERE}/change?action=promote&version=%3Cb%3E", 400, "&lt;b&gt;"),
    (f"{HERE}/change?action=split&version=2&percent=200", 400, "0 to 100 percent"),
    (f"{HERE}/change", 400, "action: expected one of"),
    (f"{HERE}/comparison?a=1&b=1", 400, "expected two different versions"),
    (f"{HERE}/comparison?a=1&b=%3Cb%3E", 400, "&lt;b&gt;"),
]


async def test_what_is_not_valid_is_named_and_shown_as_text(console):
    for path, status, says in INVALID:
        answer = await console.get(path)
        assert (path, answer.status_code) == (path, status)
        assert says in answer.text, path
        assert "<b>" not in answer.text, path


async def test_too_long_a_reason_changes_nothing(console, folder):
    await console.sign_in()
    form = {"action": "promote", "version": "2", "revision": "1", "reason": "é" * 600}
    answer = await console.post(f"{HERE}/change", form)
    assert answer.status_code == 400
    assert "expected at most 1,024 bytes, got 1,200" in answer.text
    assert read_aliases(folder / "conversion").revision == 1


async def test_what_cannot_be_repaired_here_says_where(console, folder):
    (folder / "conversion" / "aliases.json").write_text("{")
    shown = text_of((await console.get(HERE)).text)
    assert "Nothing can be changed here until the aliases can be read." in shown
    answer = await console.get(f"{HERE}/change?action=roll-back")
    assert "presage models rollback conversion" in answer.text


async def test_learning_is_read_from_the_folder_of_models(console, folder):
    append_verdict(
        folder / "conversion",
        Verdict(decided_at_unix_micros=1, version="2", verdict="rejected", reason="<b>worse</b> in all"),
    )
    page = await console.get(f"{HERE}/learning")
    assert "rejected at the gate" in page.text
    assert "&lt;b&gt;worse&lt;/b&gt; in all" in page.text


async def test_a_comparison_is_shown_as_soon_as_it_is_measured(store, folder, tmp_path):
    archive = write_archive(tmp_path / "archive", sessions=60, knowing="1", guessing="2")
    async with (
        serving(redis_url=store.url, models=folder) as server,
        console_of(server.address, archive=str(archive)) as console,
    ):
        first = await console.get(f"{HERE}/comparison?a=1&b=2")
        if "The archive is being read." in first.text:
            assert 'hx-get="/models/conversion/comparison/result?a=1&amp;b=2"' in first.text
            waiting = await console.get(f"{HERE}/comparison/result?a=1&b=2")
            assert waiting.status_code in {200, 204}
        (question,) = console.client._transport.app.state.measurements._entries
        await console.client._transport.app.state.measurements.wait(question)
        shown = text_of((await console.get(f"{HERE}/comparison/result?a=1&b=2")).text)
        review = text_of((await console.get(f"{HERE}/change?action=promote&version=2")).text)
    assert "60 sessions of 60 visitors, " in shown
    assert "log loss lower is better" in shown
    assert "Advice: Continue: nothing is decided yet. Too few outcomes: 60 sessions, " in shown
    assert "The comparison speaks against it. Too few outcomes" in review
