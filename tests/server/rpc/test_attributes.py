"""Numbers and labels: the bounds themselves pass, and what is over one is rejected by its name."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage.v1 import event_pb2
from presage_featurizer import decode_event, encode_event
from presage_featurizer.events import ATTRIBUTE_NAME
from presage_server.errors import InvalidRequestError
from presage_server.rpc import decoding
from presage_server.rpc.limits import MAX_ATTRIBUTES, MAX_LABEL_BYTES, MAX_NUMBER

NOW = 1_700_000_000_000_000
NAMES = [f"name_{number}" for number in range(MAX_ATTRIBUTES + 1)]
BAD_NAME = "expected names of a lowercase letter and up to 31 lowercase letters, digits and underscores, got "


def decode(numbers=None, labels=None, field="event"):
    message = event_pb2.Event(type=event_pb2.EVENT_TYPE_SEARCH, user_id="u", numbers=numbers or {}, labels=labels or {})
    arrived = event_pb2.Event.FromString(message.SerializeToString())
    return decoding.decode_event(arrived, NOW, lambda: "made-up", field)


def test_attributes_are_sorted_by_their_names():
    event = decode({"rank": 2, "margin": -0.5}, {"term": "böhm", "channel": ""})
    assert list(event.numbers.items()) == [("margin", -0.5), ("rank", 2.0)]
    assert list(event.labels.items()) == [("channel", ""), ("term", "böhm")]
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize(
    ("numbers", "labels"),
    [
        (dict.fromkeys(NAMES[:-1], 1.0), dict.fromkeys(NAMES[:-1], "x")),
        ({"a": MAX_NUMBER, "b": -MAX_NUMBER, "c": 5e-324}, {}),
        ({"a" * 32: 1.0, "z": 0.0}, {"a_9": "x" * MAX_LABEL_BYTES, "b": "🛒" * (MAX_LABEL_BYTES // 4)}),
    ],
)
def test_attributes_at_their_bounds_pass(numbers, labels):
    event = decode(numbers, labels)
    assert (event.numbers, event.labels) == (numbers, labels)


@pytest.mark.parametrize(
    ("numbers", "labels", "field", "description"),
    [
        (dict.fromkeys(NAMES, 1.0), {}, "events[3].numbers", "expected at most 16, got 17"),
        ({}, dict.fromkeys(NAMES, "x"), "events[3].labels", "expected at most 16, got 17"),
        ({"Margin": 1.0}, {}, "events[3].numbers", f"{BAD_NAME}'Margin'"),
        ({"": 1.0}, {}, "events[3].numbers", f"{BAD_NAME}''"),
        ({"a" * 33: 1.0}, {}, "events[3].numbers", f"{BAD_NAME}{'a' * 33!r}"),
        ({}, {"9a": "x"}, "events[3].labels", f"{BAD_NAME}'9a'"),
        ({}, {"channel\n": "x"}, "events[3].labels", f"{BAD_NAME}{'channel' + chr(10)!r}"),
        ({}, {"é" * 999: "x"}, "events[3].labels", f"{BAD_NAME}{'é' * 64!r}"),
        ({"ok": 1.0, "x": math.nan}, {}, 'events[3].numbers["x"]', "expected a number from -1e+12 to 1e+12, got nan"),
        ({"x": -math.inf}, {}, 'events[3].numbers["x"]', "expected a number from -1e+12 to 1e+12, got -inf"),
        ({"x": 1.1e12}, {}, 'events[3].numbers["x"]', "expected a number from -1e+12 to 1e+12, got 1.1e+12"),
        ({}, {"channel": "x" * 129}, 'events[3].labels["channel"]', "expected at most 128 bytes, got 129"),
        ({}, {"channel": "é" * 65}, 'events[3].labels["channel"]', "expected at most 128 bytes, got 130"),
    ],
)
def test_an_attribute_that_breaks_the_contract_is_named(numbers, labels, field, description):
    with pytest.raises(InvalidRequestError) as refused:
        decode(numbers, labels, "events[3]")
    assert (refused.value.field, refused.value.description) == (field, description)


ATTRIBUTE_NAMES = st.one_of(st.from_regex(ATTRIBUTE_NAME, fullmatch=True), st.text(max_size=3))


@given(
    st.dictionaries(ATTRIBUTE_NAMES, st.one_of(st.floats(), st.floats(-1e12, 1e12)), max_size=18),
    st.dictionaries(ATTRIBUTE_NAMES, st.one_of(st.text(max_size=9), st.sampled_from(("x" * 129,))), max_size=18),
)
def test_any_attributes_are_rejected_by_name_or_arrive_as_they_were_sent(numbers, labels):
    try:
        event = decode(numbers, labels)
    except InvalidRequestError as refused:
        assert refused.field.startswith(("event.numbers", "event.labels"))  # noqa: PT017
        return
    assert (event.numbers, event.labels) == (numbers, labels)
    assert decode_event(encode_event(event)) == event
    assert [*event.numbers, *event.labels] == [*sorted(numbers), *sorted(labels)]
