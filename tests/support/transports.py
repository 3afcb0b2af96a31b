"""Which transports a test is run with."""

from __future__ import annotations

import pytest

__all__ = ["native_first"]

native_first = pytest.mark.parametrize(
    "each_transport", ["native", pytest.param("grpcio", marks=pytest.mark.slow)], indirect=True
)
"""Run with the native transport, and with grpcio in ``make test-slow`` only: for tests of seconds about what both share."""
