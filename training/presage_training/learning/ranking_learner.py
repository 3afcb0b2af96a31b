"""The learner of models that rank items."""

from __future__ import annotations

from pathlib import Path

import msgspec

from presage_export.bundle import read_manifest
from presage_export.registry import Aliases
from presage_training.errors import LearningError
from presage_training.learning.challengers import JudgedChallenger, judge_ranking_challenger
from presage_training.learning.cycle import LearningCycle
from presage_training.learning.options import RankLearnOptions
from presage_training.learning.process import TrainingOutcome, train_in_process
from presage_training.learning.ranking_prior import write_ranking_prior
from presage_training.learning.ranking_training import RankTrainingSpec
from presage_training.verdicts.lists import DEFAULT_TARGETS, ListTarget, parse_list_target, read_paired_lists

__all__ = ["RankingLearner"]


class RankingLearner(LearningCycle[RankLearnOptions]):
    """Learns one model that ranks items from one archive; see ``LearningCycle``."""

    def _check_champion(self, champion: Path) -> None:
        if read_manifest(champion).ranking is msgspec.UNSET:
            raise LearningError(f"{champion}: expected a ranking model, got one that scores; give another --name")

    @property
    def _first_prior(self) -> str:
        return "popular items first, for everyone"

    def _write_first_prior(self, directory: Path, champion: str) -> None:  # noqa: ARG002 - it is the same beside any champion
        write_ranking_prior(directory)

    def _judge(self, aliases: Aliases, *, is_out_of_time: bool) -> JudgedChallenger:
        options = self._options
        rows = read_paired_lists(
            self._known_archive,
            model=options.name,
            versions=(aliases.champion, aliases.challenger),
            target=options.target or self._target_of(aliases.challenger),
            k=options.k,
        )
        return judge_ranking_challenger(rows, aliases, options, is_out_of_time=is_out_of_time)

    def _target_of(self, version: str) -> ListTarget:
        spec = read_manifest(self.folder / version).ranking
        question = "" if isinstance(spec, msgspec.UnsetType) else spec.question
        return parse_list_target(DEFAULT_TARGETS.get(question, ListTarget().name))

    def _train(self, version: str, champion: str, work: Path) -> TrainingOutcome:
        options = self._options
        spec = RankTrainingSpec(
            archive=str(self._known_archive.resolve()),
            name=options.name,
            version=version,
            champion=str(self.folder / champion),
            question=options.question,
            window_share=options.window_share,
            gate=options.gate,
            seed=options.seed,
        )
        return train_in_process("ranking", spec, work, is_stopped=self._is_stopped)
