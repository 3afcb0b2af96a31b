from __future__ import annotations

from pathlib import Path

import pytest

REAL_DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture
def real_log():
    """Return a function from a file's name to its path, which skipped the test where the file is not there."""

    def path_of(name: str) -> Path:
        path = REAL_DATA / name
        if not path.exists():
            pytest.skip(f"no {name} in {REAL_DATA}: the original is to be downloaded there")
        return path

    return path_of
