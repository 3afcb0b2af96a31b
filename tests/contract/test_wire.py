"""What a client of version 1 once sent is still understood."""

from __future__ import annotations

from presage.v1 import event_pb2, ranking_service_pb2, scoring_service_pb2

TRACK_EVENT_REQUEST = bytes.fromhex(
    "0a4b0a03652d31100d1a03752d312203732d31288080f9c0c1c4820332160a03692d311201631a01"
    "6221000000000000294028023a02474240024a036f2d315100000000000039405a0347425010011a"
    "0a636f6e76657273696f6e20012801"
)
"""Written when version 1 was made. Never write it again: callers in the field do not either."""

ATTRIBUTES = bytes.fromhex("0a2562110a066d617267696e1100000000000004c06a100a076368616e6e656c120562c3b6686d")
"""What version 1 got later: the event's numbers and labels."""

SHOWN = bytes.fromhex("0a12321030033a03722d3141000000000000d03f")
"""What version 1 got later: how an item was shown."""


RANK_REQUEST = bytes.fromhex(
    "0a03752d311203732d311a0772616e6b696e672203692d312203692d32280232350a04686f6d651100000000000049401a03692d33221b0a"
    "01631201621a017421000000000000f03f2900000000000023402a020104388080f9c0c1c4820340014801"
)
RANK_CONTEXT_WITH_COUNTRY = bytes.fromhex(
    "0a04686f6d651100000000000049401a03692d33221b0a01631201621a017421000000000000f03f2900000000000023402a0201043a024445"
)
UPSERT_ITEMS_REQUEST = bytes.fromhex("0a240a03692d311100000000000029401a01632201622a017430003800408080f9c0c1c48203")
"""Written when version 1 got the ranking service."""


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


def test_a_request_to_rank_still_parses_to_the_same():
    expected = ranking_service_pb2.RankRequest(
        user_id="u-1",
        session_id="s-1",
        model="ranking",
        candidate_ids=["i-1", "i-2"],
        k=2,
        context=ranking_service_pb2.RankContext(
            placement="home",
            budget=50.0,
            anchor_item_id="i-3",
            filter=ranking_service_pb2.ItemFilter(
                categories=["c"], brands=["b"], tags=["t"], min_price=1.0, max_price=9.5
            ),
            exclude=[ranking_service_pb2.EXCLUSION_CURRENT, ranking_service_pb2.EXCLUSION_CART],
        ),
        as_of_unix_micros=1_700_000_000_000_000,
        include_features=True,
        include_timings=True,
    )
    assert ranking_service_pb2.RankRequest.FromString(RANK_REQUEST) == expected
    expected.context.country_code = "DE"  # field 7, which came later
    assert ranking_service_pb2.RankContext.FromString(RANK_CONTEXT_WITH_COUNTRY) == expected.context
    expected.preview = True  # field 10, which came later
    assert ranking_service_pb2.RankRequest.FromString(RANK_REQUEST + bytes.fromhex("5001")).preview
    for message in (expected, expected.context, expected.context.filter):
        assert {field.name for field, _ in message.ListFields()} == set(message.DESCRIPTOR.fields_by_name)


def test_an_item_of_the_catalogue_still_parses_to_the_same():
    expected = ranking_service_pb2.CatalogueItem(
        item_id="i-1",
        price=12.5,
        category="c",
        brand="b",
        tags=["t"],
        stock=0,
        blocked=False,
        first_seen_unix_micros=1_700_000_000_000_000,
    )
    assert list(ranking_service_pb2.UpsertItemsRequest.FromString(UPSERT_ITEMS_REQUEST).items) == [expected]
    assert {field.name for field, _ in expected.ListFields()} == set(expected.DESCRIPTOR.fields_by_name)
