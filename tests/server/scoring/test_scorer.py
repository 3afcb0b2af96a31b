"""Scores do not depend on what else is scored with them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from presage_server.models.loading import load_models
from presage_server.settings import shipped_models

MODEL = load_models(shipped_models())[""]


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=20, max_size=20), min_size=1, max_size=70))
def test_a_score_does_not_depend_on_the_other_rows_of_the_run(rows):
    """ONNX Runtime goes other ways for one row, for a few and for many; they have to come to the same bits."""
    together = np.array(rows, dtype=np.float32)
    one_by_one = [MODEL.predict(together[place : place + 1])[0] for place in range(len(rows))]
    assert MODEL.predict(together) == one_by_one
