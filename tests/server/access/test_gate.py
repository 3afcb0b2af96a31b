from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_server.access.denials import Denial
from presage_server.access.gate import Gate, may_read
from presage_server.access.methods import METHODS
from presage_server.access.scopes import OpenPart, Principal, Scope
from presage_server.access.tokens import make_token

SCORE, TRACK = "/presage.v1.ScoringService/Score", "/presage.v1.ScoringService/TrackEvent"
CHECK = "/grpc.health.v1.Health/Check"


def token(name, *scopes, rate=0.0, burst=0):
    digest = hashlib.sha256(f"secret of {name}".encode()).hexdigest()
    return make_token(name=name, scopes=list(scopes), sha256=digest, calls_per_second=rate, burst=burst)


def bearing(name):
    return [("user-agent", "a test"), ("authorization", f"Bearer secret of {name}")]


def outcome(gate, path, metadata, now=0.0) -> str:
    checked = gate.check(path, metadata, now)
    return checked.outcome if isinstance(checked, Denial) else f"passed:{checked.name}"


def counts(gate) -> dict[tuple[str, str], float]:
    (family,) = gate.collect()
    return {
        (sample.labels["token"], sample.labels["outcome"]): sample.value for sample in family.samples if sample.value
    }


@pytest.fixture
def gate():
    return Gate([token("shop", "score"), token("web", "track"), token("prometheus")], {OpenPart.HEALTH})


def test_who_calls_is_known_by_the_token(gate):
    assert gate.check(SCORE, bearing("shop"), 0.0) == Principal("shop", frozenset({Scope.SCORE}))
    assert gate.check(TRACK, bearing("web"), 0.0) == Principal("web", frozenset({Scope.TRACK}))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ([], "missing"),
        ([("Authorization", "Bearer secret of shop")], "missing"),  # gRPC's keys are in lower case
        ([("authorization-bin", b"Bearer secret of shop")], "missing"),
        ([("authorization", b"Bearer secret of shop")], "malformed"),
        ([("authorization", "")], "malformed"),
        ([("authorization", "Bearer")], "malformed"),
        ([("authorization", "secret of shop")], "malformed"),
        ([("authorization", "Basic secret of shop")], "malformed"),
        ([("authorization", "Bearer sécret")], "malformed"),
        ([("authorization", "Bearer \udc80")], "malformed"),
        ([("authorization", f"Bearer {'x' * 300}")], "malformed"),
        ([*bearing("shop"), *bearing("shop")], "malformed"),
        ([("authorization", "Bearer ")], "unknown"),
        ([("authorization", "Bearer secret of sho")], "unknown"),
        ([("authorization", "Bearer secret of shopp")], "unknown"),
        ([("authorization", f"Bearer {hashlib.sha256(b'secret of shop').hexdigest()}")], "unknown"),
        ([("authorization", "bearer   secret of shop ")], "passed:shop"),
    ],
)
def test_only_the_very_token_opens(gate, metadata, expected):
    assert outcome(gate, SCORE, metadata) == expected
    if not expected.startswith("passed"):
        assert counts(gate) == {("", expected): 1}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["authorization", "authorization-bin", "x", ""]),
            st.one_of(st.text(), st.binary(), st.text().map("Bearer {}".format)),
        ),
        max_size=4,
    ),
    st.one_of(st.sampled_from(sorted(METHODS)), st.text()),
)
def test_no_metadata_does_more_than_being_rejected(metadata, path):
    gate = Gate([token("shop", "score")], set())
    assert outcome(gate, path, metadata) in {"missing", "malformed", "unknown"}


@pytest.mark.parametrize("path", sorted(METHODS))
@pytest.mark.parametrize("scope", [*Scope, None])
def test_a_token_opens_what_its_scope_is_for_and_what_needs_none(path, scope):
    gate = Gate([token("one", *([scope] if scope else []))], set())
    need = METHODS[path]
    expected = "passed:one" if isinstance(need, OpenPart) or need is scope else "wrong_scope"
    assert outcome(gate, path, bearing("one")) == expected


@pytest.mark.parametrize("part", OpenPart)
def test_what_is_open_asks_for_nothing_and_the_rest_for_any_token(part):
    gate = Gate([token("any")], {part})
    for path, need in METHODS.items():
        assert outcome(gate, path, []) == ("passed:" if need is part else "missing")
    assert may_read(gate.metrics_readers(), []) == (part is OpenPart.METRICS)
    assert may_read(gate.metrics_readers(), bearing("any"))
    assert may_read(gate.metrics_readers(), bearing("nobody")) == (part is OpenPart.METRICS)


def test_a_method_that_there_is_not_is_only_told_to_those_with_a_token(gate):
    for path in ("/presage.v1.ScoringService/Other", "/a", ""):
        assert outcome(gate, path, []) == "missing"
        assert outcome(gate, path, bearing("shop")) == "no_method"


def test_calls_over_the_rate_are_rejected_with_when_to_try_again():
    gate = Gate([token("slow", "score", rate=2.0, burst=3), token("other", "score")], set())
    assert [outcome(gate, SCORE, bearing("slow"), 100.0) for _ in range(5)] == ["passed:slow"] * 3 + ["over_rate"] * 2
    denial = gate.check(SCORE, bearing("slow"), 100.1)
    assert isinstance(denial, Denial)
    assert denial.wait_seconds == pytest.approx(0.4)
    assert denial.status.message == "token slow may make 2 calls per second; try again in 400 ms"
    assert outcome(gate, SCORE, bearing("slow"), 100.5) == "passed:slow"
    assert outcome(gate, SCORE, bearing("other"), 100.5) == "passed:other"
    assert counts(gate) == {("slow", "passed"): 4, ("slow", "over_rate"): 3, ("other", "passed"): 1}


def test_calls_that_are_not_allowed_take_nothing_from_the_rate():
    gate = Gate([token("slow", "score", rate=1.0)], set())
    assert {outcome(gate, TRACK, bearing("slow"), 5.0) for _ in range(10)} == {"wrong_scope"}
    assert outcome(gate, SCORE, bearing("slow"), 5.0) == "passed:slow"


def test_other_tokens_hold_from_the_next_call_and_rates_stay():
    gate = Gate([token("old", "score"), token("slow", "score", rate=1.0, burst=2)], set())
    assert outcome(gate, SCORE, bearing("slow"), 7.0) == "passed:slow"
    gate.replace([token("new", "score"), token("slow", "score", "track", rate=1.0, burst=2)])
    assert outcome(gate, SCORE, bearing("old"), 7.0) == "unknown"
    assert outcome(gate, SCORE, bearing("new"), 7.0) == "passed:new"
    assert outcome(gate, TRACK, bearing("slow"), 7.0) == "passed:slow"
    assert outcome(gate, SCORE, bearing("slow"), 7.0) == "over_rate"


def test_a_server_knows_itself_whatever_the_file_holds(gate):
    gate.replace([])
    assert outcome(Gate([], set()), CHECK, []) == "missing"
    assert outcome(gate, SCORE, gate.own_metadata) == "wrong_scope"
    alone = Gate([], set())
    assert outcome(alone, CHECK, alone.own_metadata) == "passed:presage"
    assert outcome(alone, CHECK, gate.own_metadata) == "unknown"
    assert counts(alone) == {("", "unknown"): 1}
