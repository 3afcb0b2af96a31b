"""One training of a ranking model, in a process of its own: ``python -m presage_training.retrain FOLDER ranking``.

The folder holds ``spec.json``; the process writes the bundle into it and, last of all, ``outcome.json``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from presage_export.bundle.ranking import RankingBundle, load_ranking_bundle
from presage_training.experiment.logs import LogFile
from presage_training.learning.prior import PRIOR_KIND
from presage_training.learning.process import TrainingOutcome, run_process
from presage_training.learning.ranking_gate import RankGateRules, judge_ranking
from presage_training.ranking.answers import Question
from presage_training.ranking.exporting import export_ranking, table_arrays
from presage_training.ranking.planning import RankingOptions
from presage_training.ranking.runs import measure_log
from presage_training.readers import LogFormat

__all__ = ["RankTrainingSpec", "main", "train"]

_TABLES_SHARE: Final = 4 / 7
"""The share of the events before the window that only makes tables, as ``presage train --rank`` has it."""
_DRAWS: Final = 200


class RankTrainingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to train."""

    archive: str
    name: str
    version: str
    champion: str
    """The folder of the champion's bundle."""
    question: Question | None
    window_share: float
    gate: RankGateRules
    seed: int


def train(spec: RankTrainingSpec, folder: Path) -> TrainingOutcome:
    """Train as a spec says, and write the bundle into a folder.

    Raises:
        TrainingError, ExportError, FeaturizerError: The data do not allow it.
        OSError: The archive cannot be read, or the folder not written.
    """
    directory = folder / spec.name / spec.version
    champion = load_ranking_bundle(Path(spec.champion))
    log = LogFile(path=Path(spec.archive), source=LogFormat.ARCHIVE, as_recorded=True)
    window_from = 1.0 - spec.window_share
    compared, results = measure_log(
        log,
        spec.name,
        question=spec.question or _question_of(champion),
        options=RankingOptions(
            seed=spec.seed, draws=_DRAWS, tables_share=_TABLES_SHARE * window_from, test_from_share=window_from
        ),
        champion=champion,
        # What the champion was trained on would favour it.
        test_after_unix_micros=int(champion.manifest.data.get("log_end_unix_micros", 0)),
    )
    report = judge_ranking(results, spec.gate)
    facts = {**log.facts, "source": "archive"}
    export_ranking(compared, results, table_arrays(compared.tables()), directory, facts=facts)
    return TrainingOutcome(trained=True, passed=report.passed, reason=report.reason)


def _question_of(champion: RankingBundle) -> Question | None:
    """Return what a champion answers; None for a prior, which answers anything."""
    if champion.manifest.data.get("kind") == PRIOR_KIND:
        return None
    question: Question = msgspec.convert(champion.spec.question, Question)
    return question


def main() -> None:
    """Train as the folder's spec says."""
    run_process(RankTrainingSpec, train)
