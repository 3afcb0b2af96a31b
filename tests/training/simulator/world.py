"""The simulation that the tests of this folder look at."""

from __future__ import annotations

from presage_featurizer.events import MICROS

SEED = 11
VISITORS = 1_500
START_UNIX_MICROS = 1_735_689_600_000_000  # 2025-01-01 00:00 UTC, a Wednesday
DAY_MICROS = 86_400 * MICROS
