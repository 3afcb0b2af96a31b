"""Whether a new version of a ranking model may be tried: it must not be worse than the champion on the newest answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from presage_training.errors import DatasetError
from presage_training.learning.gate import GateReport
from presage_training.ranking.comparing import CHAMPION
from presage_training.ranking.parts import ALL
from presage_training.report.ranking_results import RankingResults

__all__ = ["RankGateRules", "judge_ranking"]

_METRIC: Final = "ndcg_at_10"


@dataclass(frozen=True, kw_only=True, slots=True)
class RankGateRules:
    """How much worse a new version may be, in NDCG@10; bounds are the lower ends of 95 % intervals of paired differences.

    Raises:
        DatasetError: A field is out of its range.
    """

    tolerance: float = 0.02
    """The bound over all answers has to be above minus this."""
    slice_tolerance: float = 0.05
    """The same for each part of the answers, such as items that the visitor had not taken before."""
    min_slice_queries: int = 100
    """Parts with fewer are not judged."""

    def __post_init__(self) -> None:
        for name in ("tolerance", "slice_tolerance"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise DatasetError(f"gate.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.min_slice_queries < 2:
            raise DatasetError(f"gate.min_slice_queries: expected 2 or more, got {self.min_slice_queries}")


def judge_ranking(results: RankingResults, rules: RankGateRules) -> GateReport:
    """Judge a new version by what it and the champion measured on the same queries and candidates.

    Args:
        results: With the champion among the rankers.
        rules: How much worse the new version may be.
    """
    judged: list[tuple[str, float, float]] = []
    for name, part in results.parts.items():
        difference = part.ahead[CHAMPION][_METRIC]
        if name != ALL and part.queries < rules.min_slice_queries:
            continue
        value, low = difference.value, difference.low
        if value is None or low is None:
            return GateReport(passed=False, reason=f"{name}: the difference from the champion is not known")
        tolerance = rules.tolerance if name == ALL else rules.slice_tolerance
        judged.append((f"{name} {value:+.4f} (at least {low:+.4f}, {part.queries:,} answers)", low, tolerance))
    numbers = "NDCG@10 beside the champion: " + ", ".join(text for text, _, _ in judged)
    failed = [(text, tolerance) for text, low, tolerance in judged if low <= -tolerance]
    if failed:
        text, tolerance = failed[0]
        return GateReport(
            passed=False,
            reason=f"may be worse than the champion in {text}: the bound is not above -{tolerance:g}; {numbers}",
        )
    return GateReport(passed=True, reason=f"not worse than the champion; {numbers}")
