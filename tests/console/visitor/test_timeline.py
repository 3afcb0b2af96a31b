from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from presage_client import Prediction
from presage_console.visitor.interests import interests
from presage_console.visitor.replaying import replay
from presage_console.visitor.timeline import PER_PAGE, Page, find_page, timeline
from presage_featurizer.digests import product_digest
from support.events import STORY, at, fold_all
from support.visitor_histories import history_of


@given(st.integers(0, 500))
def test_pages_together_have_every_event_once_and_the_newest_first(count):
    pages = find_page(count, 1, None).pages
    numbers = []
    for number in range(pages, 0, -1):
        page = find_page(count, number, None)
        assert page.number == number
        assert page.last - page.first < PER_PAGE
        numbers += range(page.first, page.last + 1)
    assert numbers == list(range(1, count + 1))


@given(st.integers(1, 500), st.integers(1, 500))
def test_the_page_of_an_event_has_it(count, at_):
    at_ = min(at_, count)
    page = find_page(count, None, at_)
    assert page.first <= at_ <= page.last


def test_a_page_that_does_not_exist_is_the_nearest():
    assert find_page(120, 99, None) == Page(number=3, pages=3, first=1, last=20)
    assert find_page(120, 0, None).number == 1


def prediction(score):
    return Prediction(
        score=score,
        model="m",
        model_version="1",
        cold_start=False,
        degraded=False,
        no_session=False,
        features=None,
        timings=None,
    )


def lines_of(first=1, **options):
    log = history_of(STORY, **options)
    moments = replay(log, range(first, 12)).moments
    predictions = [prediction(moment.number / 100) for moment in moments]
    page = Page(number=1, pages=1, first=max(first, 2), last=11)
    return {line.number: line for line in timeline(moments, predictions, [()] * len(moments), page)}


def test_lines_have_scores_and_what_the_event_changed():
    lines = lines_of()
    assert list(lines) == list(range(11, 1, -1))
    assert lines[5].score == 0.05
    assert round(lines[2].change, 9) == 0.01, "expected the event before the page to be known"
    assert [item.item_id for item in lines[4].items] == ["shoe", "sock"]
    assert (lines[4].items[1].price, lines[4].items[1].quantity) == (4.5, 3)
    assert lines[5].value == 79.99
    assert lines[11].notes == ("came late: later events had been counted",)


def test_moments_without_a_beginning_have_no_scores():
    lines = lines_of(fresh=(6,))
    assert [lines[number].score for number in (6, 7)] == [None, 0.07]
    assert lines[7].change is None
    assert lines[7].notes == ("the server had no history of the visitor any more",)
    assert lines[6].notes == ("the visitor's beginning is not in the archive",)


def test_interests_are_the_strongest_first_and_named_where_an_event_names_them():
    state = fold_all(STORY)
    names = {product_digest("shoe"): "shoe"}
    found = interests(state, at(93), names)
    assert [each.category for each in found.categories] == ["shoes", "socks", "hats"]
    weights = [each.weight for each in found.categories]
    assert weights == sorted(weights, reverse=True)
    assert found.items[0].item_id == "shoe"
    assert (found.items[0].purchases, found.items[0].other_events) == (1, 4)
    assert {each.item_id for each in found.items[1:]} == {None}
    assert 0 < found.items[0].weight <= 10 + 6 + 3 * 2
    assert [line.item_id for line in found.cart] == ["sock", "hat"]
    assert found.session.events == (("search", 1),)
    assert interests(state, at(10_000), names).session is None
    assert interests(state, at(60 * 24 * 7), names).categories[0].weight < weights[0] * 0.51
