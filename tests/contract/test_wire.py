"""What a client of version 1 once sent is still understood."""

from __future__ import annotations

from presage.v1 import event_pb2, scoring_service_pb2

TRACK_EVENT_REQUEST = bytes.fromhex(
    "0a4b0a03652d31100d1a03752d312203732d31288080f9c0c1c4820332160a03692d311201631a01"
    "6221000000000000294028023a02474240024a036f2d315100000000000039405a0347425010011a"
    "0a636f6e76657273696f6e20012801"
)
"""Written when version 1 was made. Never write it anew: callers in the field do not either."""

ATTRIBUTES = bytes.fromhex("0a2562110a066d617267696e1100000000000004c06a100a076368616e6e656c120562c3b6686d")
"""What version 1 got later: the event's numbers and labels."""

SHOWN = bytes.fromhex("0a12321030033a03722d3141000000000000d03f")
"""What version 1 got later: how an item was shown."""


def test_a_request_of_the_first_release_still_parses_to_the_same():
    request = scoring_service_pb2.TrackEventRequest.FromString(TRACK_EVENT_REQUEST)
    expected = scoring_service_pb2.TrackEventRequest(
        event=event_pb2.Event(
            event_id="e-1",
            type=event_pb2.EVENT_TYPE_PURCHASE,
            user_id="u-1",
            session_id="s-1",
            event_time_unix_micros=1_700_000_000_000_000,
            items=[event_pb2.Item(item_id="i-1", category="c", brand="b", price=12.5, quantity=2)],
            country="GB",
            device=event_pb2.DEVICE_MOBILE,
            order_id="o-1",
            value=25.0,
            currency="GBP",
        ),
        score=True,
        model="conversion",
        include_features=True,
        include_timings=True,
    )
    assert expected == request


def test_attributes_still_parse_to_the_same():
    request = scoring_service_pb2.TrackEventRequest.FromString(TRACK_EVENT_REQUEST + ATTRIBUTES)
    expected = scoring_service_pb2.TrackEventRequest.FromString(TRACK_EVENT_REQUEST)
    expected.event.numbers["margin"] = -2.5
    expected.event.labels["channel"] = "böhm"
    assert expected == request


def test_how_an_item_was_shown_still_parses_to_the_same():
    request = scoring_service_pb2.TrackEventRequest.FromString(TRACK_EVENT_REQUEST + SHOWN)
    expected = scoring_service_pb2.TrackEventRequest.FromString(TRACK_EVENT_REQUEST)
    expected.event.items.add(position=3, rank_id="r-1", propensity=0.25)
    assert expected == request


def test_it_leaves_no_field_out():
    """Otherwise a changed number of one could go unnoticed."""
    request = scoring_service_pb2.TrackEventRequest.FromString(TRACK_EVENT_REQUEST + ATTRIBUTES + SHOWN)
    for messages in ([request], [request.event], request.event.items):
        set_fields = {field.name for message in messages for field, _ in message.ListFields()}
        assert set_fields == set(messages[0].DESCRIPTOR.fields_by_name)


def test_a_field_that_a_newer_client_knows_is_no_harm():
    newer = TRACK_EVENT_REQUEST + b"\xfa\x7f\x03new"
    request = scoring_service_pb2.TrackEventRequest.FromString(newer)
    assert request.event == scoring_service_pb2.TrackEventRequest.FromString(TRACK_EVENT_REQUEST).event
