from __future__ import annotations

import re
from functools import partial

import msgspec
import pytest
from hypothesis import given, settings

from presage_featurizer import (
    CoreState,
    CorruptStateError,
    Device,
    Event,
    EventType,
    NewerStateError,
    Shown,
    State,
    decode_event,
    decode_needed,
    decode_state,
    encode_event,
    encode_state,
)
from presage_featurizer.codec import EVENT_VERSION, STATE_VERSION, _frame
from presage_featurizer.item_history import history_of_interests
from presage_featurizer.state import CartLine, Habits, Interest, ItemHistory, Session
from support.events import SHOE, SOCK, STORY, any_log, fold_all

# Bytes that releases wrote. Never change them: whoever upgrades has them in the store.
GOLDEN_STATE = bytes.fromhex(
    "899ba550019ecf000619f965754800cf000619faae79cc0001ce042bf670cf000619f985a50700cf000619f985a507000201"
    "02a24445929ba0cf000619faae79cc00cf000619faae79cc00010000000000ce01ff2b60c4009ba3746162cf000619fa3c08"
    "ec00cf000619faaae645000301010101ce04c4b400ce01ff2b60c408ba6d6d7ec2da602082a368617494a468617473a0ce01"
    "312d0001a4736f636b94a5736f636b73a461636d65ce0044aa2003c4583887807a2b30fc732346061e71286d0aef40ddc904"
    "b88fa8f85f0b5ca68276a7067e2b8a85d4e82b3c6dbbd1d6502a1a85716fad371f5a8221685f364cf224d41a571d65b2fd4e"
    "eff5f30d95897a545ec7a00a74a96e74eec2"
)
GOLDEN_STATE_2 = bytes.fromhex(
    "f54a1490029fcf000619f965754800cf000619faae79cc0001ce042bf670cf000619f985a50700cf000619f985a507000201"
    "02a24445929ba0cf000619faae79cc00cf000619faae79cc00010000000000ce01ff2b60c4009ba3746162cf000619fa3c08"
    "ec00cf000619faaae645000301010101ce04c4b400ce01ff2b60c408ba6d6d7ec2da602082a4736f636b94a5736f636b73a4"
    "61636d65ce0044aa2003a368617494a468617473a0ce01312d0001c4583887807a2b30fc732346061e71286d0aef40ddc904"
    "b88fa8f85f0b5ca68276a7067e2b8a85d4e82b3c6dbbd1d6502a1a85716fad371f5a8221685f364cf224d41a571d65b2fd4e"
    "eff5f30d95897a545ec7a00a74a96e74eec29c860102020306020d0115010501820a060b04040204ce0e92c620c410ba6d6d"
    "7ec2da6020ef0dd3e9ff6c55dd83c408ba6d6d7ec2da602093cb4035ed221515551bcf000619fa838f780005c408ef0dd3e9"
    "ff6c55dd93cb401fffe5fe5fe5fecf000619f9702fdd0002c40865891603c5d5630593cb4018000000000000cf000619faaa"
    "e645000183a573686f657393cb4035ed221515551bcf000619fa838f780005a5736f636b7393cb401fffe5fe5fe5fecf0006"
    "19f9702fdd0002a46861747393cb4018000000000000cf000619faaae6450001c40865891603c5d56305a468617473ce0131"
    "2d00"
)
GOLDEN_STATE_3 = bytes.fromhex(
    "c92a4a1603dc0010cf000619f965754800cf000619faae79cc0001ce042bf670cf000619f985a50700cf000619f985a50700"
    "020102a24445929ba0cf000619faae79cc00cf000619faae79cc00010000000000ce01ff2b60c4009ba3746162cf000619fa"
    "3c08ec00cf000619faaae645000301010101ce04c4b400ce01ff2b60c408ba6d6d7ec2da602082a4736f636b94a5736f636b"
    "73a461636d65ce0044aa2003a368617494a468617473a0ce01312d0001c4583887807a2b30fc732346061e71286d0aef40dd"
    "c904b88fa8f85f0b5ca68276a7067e2b8a85d4e82b3c6dbbd1d6502a1a85716fad371f5a8221685f364cf224d41a571d65b2"
    "fd4eeff5f30d95897a545ec7a00a74a96e74eec29c860102020306020d0115010501820a060b04040204ce0e92c620c410ba"
    "6d6d7ec2da6020ef0dd3e9ff6c55dd83c408ba6d6d7ec2da602093cb4035ed221515551bcf000619fa838f780005c408ef0d"
    "d3e9ff6c55dd93cb401fffe5fe5fe5fecf000619f9702fdd0002c40865891603c5d5630593cb4018000000000000cf000619"
    "faaae645000183a573686f657393cb4035ed221515551bcf000619fa838f780005a5736f636b7393cb401fffe5fe5fe5fecf"
    "000619f9702fdd0002a46861747393cb4018000000000000cf000619faaae6450001c40865891603c5d56305a468617473ce"
    "01312d0090"
)
GOLDEN_STATE_4 = bytes.fromhex(
    "b5c85e1804dc0011cf000619f965754800cf000619faae79cc0001ce042bf670cf000619f985a50700cf000619f985a50700"
    "020102a2444592dc0011a0cf000619faae79cc00cf000619faae79cc00010000000000ce01ff2b60c4008105010500000080"
    "dc0011a3746162cf000619fa3c08ec00cf000619faaae645000301010101ce04c4b400ce01ff2b60c408ba6d6d7ec2da6020"
    "8301010601020106ce6edd5900ce6edd5900008082a4736f636b94a5736f636b73a461636d65ce0044aa2003a368617494a4"
    "68617473a0ce01312d0001c4583887807a2b30fc732346061e71286d0aef40ddc904b88fa8f85f0b5ca68276a7067e2b8a85"
    "d4e82b3c6dbbd1d6502a1a85716fad371f5a8221685f364cf224d41a571d65b2fd4eeff5f30d95897a545ec7a00a74a96e74"
    "eec2809c860102020306020d011501050182ccb206ccb304040204ce0e92c620c410ba6d6d7ec2da6020ef0dd3e9ff6c55dd"
    "83c408ba6d6d7ec2da602093cb4035ed221515551bcf000619fa838f780005c408ef0dd3e9ff6c55dd93cb401fffe5fe5fe5"
    "fecf000619f9702fdd0002c40865891603c5d5630593cb4018000000000000cf000619faaae645000183a573686f657393cb"
    "4035ed221515551bcf000619fa838f780005a5736f636b7393cb401fffe5fe5fe5fecf000619f9702fdd0002a46861747393"
    "cb4018000000000000cf000619faaae6450001c40865891603c5d56305a468617473ce01312d0090"
)
GOLDEN_STATE_5 = bytes.fromhex(
    "4da36de305dc0012cf000619f965754800cf000619faae79cc0001ce042bf670cf000619f985a50700cf000619f985a50700"
    "020102a2444592dc0012a0cf000619faae79cc00cf000619faae79cc00010000000000ce01ff2b60c4008105010500000080"
    "c400dc0012a3746162cf000619fa3c08ec00cf000619faaae645000301010101ce04c4b400ce01ff2b60c408ba6d6d7ec2da"
    "60208301010601020106ce6edd5900ce6edd59000080c41cba6d6d7ec2da60200201e0a65d6665891603c5d56305060174a9"
    "5d6682a4736f636b94a5736f636b73a461636d65ce0044aa2003a368617494a468617473a0ce01312d0001c4583887807a2b"
    "30fc732346061e71286d0aef40ddc904b88fa8f85f0b5ca68276a7067e2b8a85d4e82b3c6dbbd1d6502a1a85716fad371f5a"
    "8221685f364cf224d41a571d65b2fd4eeff5f30d95897a545ec7a00a74a96e74eec2809a860102020306020d011501050182"
    "ccb206ccb304040204ce0e92c620c410ba6d6d7ec2da6020ef0dd3e9ff6c55dd83a573686f657393cb4035ed221515551bcf"
    "000619fa838f780005a5736f636b7393cb401fffe5fe5fe5fecf000619f9702fdd0002a46861747393cb4018000000000000"
    "cf000619faaae6450001a468617473ce01312d009094c418ba6d6d7ec2da6020ef0dd3e9ff6c55dd65891603c5d56305c40c"
    "a7637c361ba56436f0fd5e36c409a65d66945d66a95d66c406010400020001"
)
GOLDEN_EVENT = bytes.fromhex(
    "9f9091f1019ba469642d310da776697369746f72cf000619f965754800a37461629295a473686f65a573686f6573a461636d"
    "65ce04c4b4000195a4736f636ba5736f636b73a461636d65ce0044aa2003a2474202a76f726465722d37ce04c48cf0a34742"
    "50"
)
GOLDEN_EVENT_2 = bytes.fromhex(
    "34107f59029ca469642d310da776697369746f72cf000619f965754800a37461629295a473686f65a573686f6573a461636d"
    "65ce04c4b4000195a4736f636ba5736f636b73a461636d65ce0044aa2003a2474202a76f726465722d37ce04c48cf0a34742"
    "5000"
)
GOLDEN_EVENT_3 = bytes.fromhex(
    "45a270e1039ea469642d310da776697369746f72cf000619f965754800a37461629295a473686f65a573686f6573a461636d"
    "65ce04c4b4000195a4736f636ba5736f636b73a461636d65ce0044aa2003a2474202a76f726465722d37ce04c48cf0a34742"
    "500082a66d617267696ecb4029000000000000a472616e6bcbbfb999999999999a82a76368616e6e656ca5656d61696ca474"
    "65726da562c3b6686d"
)
GOLDEN_EVENT_4 = bytes.fromhex(
    "43225b83049ea469642d310da776697369746f72cf000619f965754800a37461629296a473686f65a573686f6573a461636d"
    "65ce04c4b400019303a672616e6b2d39cb3fd000000000000096a4736f636ba5736f636b73a461636d65ce0044aa2003c0a2"
    "474202a76f726465722d37ce04c48cf0a34742500082a66d617267696ecb4029000000000000a472616e6bcbbfb999999999"
    "999a82a76368616e6e656ca5656d61696ca47465726da562c3b6686d"
)

decode_core = partial(decode_needed, needs=frozenset())

HABITS = Habits(
    events={1: 2, 2: 3, 6: 2, 13: 1, 21: 1, 5: 1},
    hours_of_week={178: 6, 179: 4},
    item_views=4,
    repeat_views=2,
    priced_views=4,
    viewed_price_micros=244500000,
    viewed_products=b"\xbamm~\xc2\xda` \xef\r\xd3\xe9\xfflU\xdd",
    categories={
        "shoes": Interest(score=21.92630130549251, last_unix_micros=1717413600000000, count=5),
        "socks": Interest(score=7.999900793650793, last_unix_micros=1717408980000000, count=2),
        "hats": Interest(score=6.0, last_unix_micros=1717414260000000, count=1),
    },
    last_category="hats",
    last_price_micros=20000000,
)
STATE = State(
    first_seen_unix_micros=1_717_408_800_000_000,
    last_seen_unix_micros=1_717_414_320_000_000,
    orders=1,
    spent_micros=69_990_000,
    first_order_unix_micros=1_717_409_340_000_000,
    last_order_unix_micros=1_717_409_340_000_000,
    closed_sessions=2,
    bounced_sessions=1,
    device=2,
    country="DE",
    sessions=(
        Session(
            session_id="",
            start_unix_micros=1_717_414_320_000_000,
            last_unix_micros=1_717_414_320_000_000,
            event_count=1,
            max_cart_value_micros=33_500_000,
            events={5: 1},
            last_type=5,
        ),
        Session(
            session_id="tab",
            start_unix_micros=1_717_412_400_000_000,
            last_unix_micros=1_717_414_260_000_000,
            event_count=3,
            page_views=1,
            product_views=1,
            add_to_carts=1,
            priced_views=1,
            viewed_price_micros=80_000_000,
            max_cart_value_micros=33_500_000,
            viewed_products=bytes.fromhex("ba6d6d7ec2da6020"),
            events={1: 1, 6: 1, 2: 1},
            last_type=6,
            last_gap_micros=1_860_000_000,
            longest_gap_micros=1_860_000_000,
        ),
    ),
    cart={"sock": CartLine("socks", "acme", 4_500_000, 3), "hat": CartLine("hats", "", 20_000_000, 1)},
    recent_events=bytes.fromhex(
        "3887807a2b30fc732346061e71286d0aef40ddc904b88fa8f85f0b5ca68276a7067e2b8a85d4e82b3c6dbbd1d6502a1a8571"
        "6fad371f5a8221685f364cf224d41a571d65b2fd4eeff5f30d95897a545ec7a00a74a96e74ee"
    ),
)
INTERESTS = history_of_interests(
    {
        b"\xbamm~\xc2\xda` ": Interest(score=21.92630130549251, last_unix_micros=1717413600000000, count=5),
        b"\xef\r\xd3\xe9\xfflU\xdd": Interest(score=7.999900793650793, last_unix_micros=1717408980000000, count=2),
        b"e\x89\x16\x03\xc5\xd5c\x05": Interest(score=6.0, last_unix_micros=1717414260000000, count=1),
    }
)
EVENT = Event(
    event_id="id-1",
    type=EventType.PURCHASE,
    user_id="visitor",
    event_time_unix_micros=1_717_408_800_000_000,
    session_id="tab",
    items=(SHOE, SOCK),
    country="GB",
    device=Device.MOBILE,
    order_id="order-7",
    value_micros=79_990_000,
    currency="GBP",
)
EVENT_WITH_ATTRIBUTES = msgspec.structs.replace(
    EVENT, numbers={"margin": 12.5, "rank": -0.1}, labels={"channel": "email", "term": "böhm"}
)
EVENT_OF_A_RANKING = msgspec.structs.replace(
    EVENT_WITH_ATTRIBUTES, items=(msgspec.structs.replace(SHOE, shown=Shown(3, "rank-9", 0.25)), SOCK)
)
ALL_STATE_FIELDS = len(State.__struct_fields__)
ALL_SESSION_FIELDS = len(Session.__struct_fields__)


def state_as_lists(state):
    """Take a state apart into the lists that msgpack carries, so that a test can shorten them."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state))


def before_version_4(state):
    """Return a state as it was decoded before sessions had counts by type and gaps, and hours of summer were apart."""
    fields = {"events": {}, "last_type": 0, "last_gap_micros": 0, "longest_gap_micros": 0, "repeat_views": 0}
    hours = {hour % 168: count for hour, count in state.habits.hours_of_week.items()}
    state = before_version_5(state)
    return msgspec.structs.replace(
        state,
        sessions=tuple(msgspec.structs.replace(session, **fields) for session in state.sessions),
        habits=msgspec.structs.replace(state.habits, hours_of_week=hours),
    )


def before_version_5(state):
    """Return a state as it is decoded from before it had items for ranking; the interests in items are read into their history."""
    sessions = tuple(msgspec.structs.replace(session, items=b"") for session in state.sessions)
    return msgspec.structs.replace(
        state, sessions=sessions, items=ItemHistory() if state.habits == Habits() else INTERESTS
    )


def framed(lists, version=STATE_VERSION):
    return _frame(version, msgspec.msgpack.encode(lists))


def test_the_story_still_folds_to_the_state_that_was_pinned():
    folded = fold_all(STORY)
    assert before_version_5(msgspec.structs.replace(folded, habits=Habits())) == STATE
    assert folded.habits == HABITS


def test_bytes_of_every_version_are_read():
    assert decode_state(GOLDEN_STATE) == before_version_4(STATE)  # version 1 knew no habits
    assert decode_state(GOLDEN_STATE_2) == before_version_4(fold_all(STORY))  # version 2 knew no orders by their ids
    assert decode_state(GOLDEN_STATE_3) == before_version_4(fold_all(STORY))
    assert decode_state(GOLDEN_STATE_4) == before_version_5(fold_all(STORY))
    assert decode_state(GOLDEN_STATE_5) == fold_all(STORY)
    assert decode_event(GOLDEN_EVENT) == EVENT  # version 1 knew no clock of the server
    assert decode_event(GOLDEN_EVENT_2) == EVENT  # version 2 knew no numbers and labels
    assert decode_event(GOLDEN_EVENT_3) == EVENT_WITH_ATTRIBUTES
    assert decode_event(GOLDEN_EVENT_4) == EVENT_OF_A_RANKING
    assert [
        [getattr(decode_core(golden), name) for name in CoreState.__struct_fields__]
        for golden in (GOLDEN_STATE, GOLDEN_STATE_2, GOLDEN_STATE_3)
    ] == [[getattr(before_version_4(STATE), name) for name in CoreState.__struct_fields__]] * 3


def test_bytes_are_those_of_the_newest_versions():
    assert encode_state(fold_all(STORY)).hex() == GOLDEN_STATE_5.hex()
    assert encode_event(EVENT_OF_A_RANKING).hex() == GOLDEN_EVENT_4.hex()


@settings(deadline=None)
@given(any_log(max_events=10))
def test_states_and_events_round_trip(log):
    state = fold_all(log)
    assert decode_state(encode_state(state)) == state
    assert [decode_event(encode_event(each)) for each in log] == log


@pytest.mark.parametrize("known", range(ALL_STATE_FIELDS))
def test_state_fields_that_an_older_release_did_not_know_take_their_defaults(known):
    expected = State(*(getattr(STATE, name) for name in State.__struct_fields__[:known]))
    assert decode_state(framed(state_as_lists(STATE)[:known])) == expected


@pytest.mark.parametrize("known", range(3, ALL_SESSION_FIELDS))
def test_session_fields_that_an_older_release_did_not_know_take_their_defaults(known):
    session = STATE.sessions[1]
    expected = State(sessions=(Session(*(getattr(session, name) for name in Session.__struct_fields__[:known])),))
    lists = state_as_lists(State(sessions=(session,)))
    lists[State.__struct_fields__.index("sessions")] = [state_as_lists(session)[:known]]
    assert decode_state(framed(lists)) == expected


@pytest.mark.parametrize(
    ("decode", "golden"),
    [(decode_state, GOLDEN_STATE), (decode_core, GOLDEN_STATE_5), (decode_event, GOLDEN_EVENT_4)],
    ids=["state", "core state", "event"],
)
class TestDamage:
    def test_every_flipped_bit_is_seen(self, decode, golden):
        for bit in range(8 * len(golden)):
            flipped = bytearray(golden)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(CorruptStateError):
                decode(bytes(flipped))

    def test_every_truncation_is_seen(self, decode, golden):
        for length in range(len(golden)):
            with pytest.raises(CorruptStateError):
                decode(golden[:length])

    def test_bytes_behind_the_end_are_seen(self, decode, golden):
        with pytest.raises(CorruptStateError):
            decode(golden + b"\x00")

    def test_a_newer_version_asks_for_an_upgrade(self, decode, golden):
        newest = EVENT_VERSION if decode is decode_event else STATE_VERSION
        known = re.escape(str(list(range(1, newest + 1))))
        with pytest.raises(NewerStateError, match=rf"version {newest + 1}, this release reads {known}; upgrade"):
            decode(_frame(newest + 1, golden[5:]))


@pytest.mark.parametrize("decode", [decode_state, decode_core, decode_event])
@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", msgspec.msgpack.encode({}), msgspec.msgpack.encode(["not a number"]), b"\x91\xa1\xff"],
    ids=["empty", "not msgpack", "not an array", "wrong type", "not UTF-8"],
)
def test_a_body_that_is_not_ours_is_corrupt_in_spite_of_its_checksum(decode, body):
    with pytest.raises(CorruptStateError):
        decode(_frame(1, body))


def test_a_state_may_begin_behind_other_bytes():
    assert decode_state(b"revision" + GOLDEN_STATE_2, 8) == decode_state(GOLDEN_STATE_2)
    assert decode_core(b"revision" + GOLDEN_STATE_2, start=8) == decode_core(GOLDEN_STATE_2)
    with pytest.raises(CorruptStateError, match="state: expected at least 5 bytes, got 2"):
        decode_state(b"revisionab", 8)
    with pytest.raises(CorruptStateError, match="got 0"):
        decode_state(b"rev", 8)


def test_errors_say_what_was_expected_and_what_was_there():
    with pytest.raises(CorruptStateError, match="state: expected at least 5 bytes, got 3"):
        decode_state(b"abc")
    with pytest.raises(CorruptStateError, match=r"event: expected CRC-32 61626364, got [0-9a-f]{8} over 6 bytes"):
        decode_event(b"abcdef")


NAN, INFINITY = float("nan"), float("inf")
FAR = 2**55 + 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("last_seen_unix_micros",), FAR),
        (("first_seen_unix_micros",), -FAR),
        (("orders",), 2**62 + 1),
        (("orders",), 2**64 - 1),
        (("spent_micros",), -(2**63)),
        (("sessions", 0, "event_count"), 2**63),
        (("sessions", 0, "events"), {1: 0}),
        (("sessions", 0, "slots"), {1: NAN}),
        (("slots",), {1: INFINITY}),
        (("slots",), {1: [1e300, 0]}),
        (("habits", "hours_of_week"), {3: -1}),
        (("habits", "categories"), {"shoes": [NAN, 0, 1]}),
        (("habits", "categories"), {"shoes": [1.0, 0, 0]}),
        (("items", "digests"), b"1234567"),
        (("items", "scores"), b"1234"),
        (("items", "times"), b"123" * 5),
        (("items", "counts"), b"1"),
        (("items",), [b"12345678", b"\0\0\0\x7f", b"123", b"\1\1"]),
    ],
    ids=repr,
)
def test_a_state_with_numbers_out_of_bounds_is_corrupt(path, value):
    """The checksum holds, but no release writes these: features would not be finite, or the next event not be stored."""
    assert _with_changed(path, value, check=True) == STATE
    with pytest.raises(CorruptStateError, match="state: "):
        _with_changed(path, value)


def test_a_state_that_is_nested_too_deeply_is_corrupt():
    fields = msgspec.msgpack.decode(encode_state(STATE)[5:], type=list[msgspec.Raw])
    deep = msgspec.Raw(b"\x91" * 3_000 + b"\x90")
    with pytest.raises(CorruptStateError, match="nested too deeply"):
        decode_state(_frame(STATE_VERSION, msgspec.msgpack.encode([*fields, deep])))


def _with_changed(path, value, *, check=False):
    """Decode a state with another value at a place; with ``check``, the value that is there."""
    fields = msgspec.msgpack.decode(encode_state(STATE)[5:])
    target, kind = fields, State
    for step in path[:-1]:
        place = step if isinstance(step, int) else kind.__struct_fields__.index(step)
        kind = {"sessions": kind, "habits": Habits, "items": ItemHistory}.get(step, Session)
        target = target[place]
    if not check:
        target[kind.__struct_fields__.index(path[-1])] = value
    return decode_state(_frame(STATE_VERSION, msgspec.msgpack.encode(fields)))
