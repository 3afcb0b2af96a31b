"""Settings of ``presage archive`` that cannot work."""

from __future__ import annotations

import pytest

from presage_server.archive.settings import ArchiveSettings
from presage_server.errors import SettingsError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("redis_url", "http://store"),
        ("flush_seconds", 0.0),
        ("max_batch_events", 0),
        ("report_seconds", -1.0),
        ("timeout_seconds", 0.0),
    ],
)
def test_a_setting_that_cannot_work_is_rejected_by_name(tmp_path, field, value):
    with pytest.raises(SettingsError, match=f"{field}: expected"):
        ArchiveSettings(**({"to": tmp_path, "redis_url": "redis://store"} | {field: value}))
