"""W3C Trace Context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from presage_server.tracing.context import Parent, is_sampled, read_parent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    "text",
    [
        f"00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-00",
        f"00-{TRACE}-{SPAN}-ff",
        f"01-{TRACE}-{SPAN}-03",
        f"cc-{TRACE}-{SPAN}-01-what-the-future-brings",
    ],
)
def test_a_parent_is_read(text):
    assert read_parent(text) == Parent(TRACE, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01".encode(),
    ],
)
def test_what_is_no_parent_is_none(text):
    assert read_parent(text) is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))
def test_it_agrees_with_opentelemetry(trace_id, span_id, flags):
    text = f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
    context = trace.get_current_span(TraceContextTextMapPropagator().extract({"traceparent": text})).get_span_context()
    assert read_parent(text) == Parent(f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert is_sampled(text) == context.trace_flags.sampled


@given(st.text() | st.binary(max_size=80))
def test_nothing_raises(text):
    is_sampled(text)
    read_parent(text)
