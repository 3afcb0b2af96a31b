"""The tables of the pages about mapping say what the code maps."""

from __future__ import annotations

import re

import pytest

from presage_client.mapping import GA4_EVENT_TYPES, SEGMENT_EVENT_TYPES
from support.doc_blocks import ROOT

ROW = re.compile(r"^\| (`.+`) \| `([A-Z_]+)` \|$", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "mapped"), [("map-ga4-events.md", GA4_EVENT_TYPES), ("map-segment-events.md", SEGMENT_EVENT_TYPES)]
)
def test_the_table_has_every_event_that_is_mapped(page, mapped):
    rows = ROW.findall((ROOT / "docs/how-to" / page).read_text())
    shown = {name: kind for names, kind in rows for name in re.findall(r"`([^`]+)`", names)}

    assert shown == {name: kind.name for name, kind in mapped.items()}
