"""Bytes that are parsed as a request, and bytes that are not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage.v1 import scoring_service_pb2 as pb
from presage_server.errors import InvalidRequestError
from presage_server.rpc.decoding import decode_message

REQUEST = pb.ScoreRequest(user_id="ü", include_features=True)


def test_a_request_is_parsed():
    assert decode_message(pb.ScoreRequest, REQUEST.SerializeToString()) == REQUEST
    assert decode_message(pb.ScoreRequest, b"") == pb.ScoreRequest()


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", REQUEST.SerializeToString()[:-1], b"\x0b" * 200],
    ids=["no field", "cut short", "no UTF-8", "without its last byte", "groups that do not end"],
)
def test_bytes_that_are_not_one_are_rejected_with_what_was_expected(data):
    with pytest.raises(InvalidRequestError) as rejected:
        decode_message(pb.ScoreRequest, data)
    expected = f"expected a presage.v1.ScoreRequest, got {len(data)} bytes that cannot be parsed as one"
    assert str(rejected.value) == expected
    assert rejected.value.field == ""


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_request_or_rejected(data):
    for message_class in (pb.ScoreRequest, pb.TrackEventsRequest, pb.ScoreBatchRequest):
        try:
            message = decode_message(message_class, data)
        except InvalidRequestError:
            continue
        assert isinstance(message, message_class)
