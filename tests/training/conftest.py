"""A server that answers as a test says."""

from __future__ import annotations

import pytest

from support.scripted_servicer import ScriptedServicer, serving


@pytest.fixture
def servicer():
    return ScriptedServicer()


@pytest.fixture
def target(servicer):
    with serving(servicer) as target:
        yield target
