"""The learner of models that score visitors."""

from __future__ import annotations

from pathlib import Path

import msgspec

from presage_export.bundle import read_manifest
from presage_export.registry import Aliases
from presage_featurizer import FeatureSet
from presage_training.errors import LearningError
from presage_training.learning.challengers import JudgedChallenger, judge_challenger
from presage_training.learning.cycle import LearningCycle
from presage_training.learning.options import LearnOptions
from presage_training.learning.prior import PRIOR_KIND, write_prior
from presage_training.learning.process import TrainingOutcome, train_in_process
from presage_training.learning.registering import next_version, put_in_place, work_folder
from presage_training.learning.retraining import TrainingSpec
from presage_training.project.project import choose_features
from presage_training.verdicts import read_pairs

__all__ = ["Learner"]


class Learner(LearningCycle[LearnOptions]):
    """Learns one model that scores visitors from one archive; see ``LearningCycle``."""

    def _check_champion(self, champion: Path) -> None:
        manifest = read_manifest(champion)
        if manifest.ranking is not msgspec.UNSET:
            raise LearningError(f"{champion}: expected a model that scores, got one that ranks; give --rank")
        known, asked = manifest.data.get("target"), self._options.target.name
        if known not in {None, asked}:
            raise LearningError(
                f"target: expected {known}, which {champion} predicts, got {asked}; give --target {known}"
            )

    @property
    def _first_prior(self) -> str:
        return f"{self._options.default_rate:g} for everyone, until there are outcomes to count"

    def _write_first_prior(self, directory: Path, champion: str) -> None:
        options = self._options
        feature_set = choose_features(None, options.features, options.time_zone)
        if champion:
            feature_set = FeatureSet.restore(read_manifest(self.folder / champion).feature_set)
        write_prior(
            directory,
            None,
            feature_set,
            target=options.target.name,
            decisions=options.decisions.name,
            default_rate=options.default_rate,
        )

    def _judge(self, aliases: Aliases, *, is_out_of_time: bool) -> JudgedChallenger:
        options, versions = self._options, (aliases.champion, aliases.challenger)
        rows = read_pairs(self._known_archive, model=options.name, versions=versions, target=options.target)
        return judge_challenger(rows, aliases, options, is_out_of_time=is_out_of_time)

    def _train(self, version: str, champion: str, work: Path) -> TrainingOutcome:
        return self._train_kind(self._options.kind, version, champion, work)

    def _train_kind(self, kind: str, version: str, champion: str, work: Path) -> TrainingOutcome:
        options = self._options
        spec = TrainingSpec(
            archive=str(self._known_archive.resolve()),
            name=options.name,
            version=version,
            kind=kind,
            champion=str(self.folder / champion) if champion else "",
            features=options.features,
            time_zone=options.time_zone,
            target=options.target.name,
            decisions=options.decisions.name,
            history_days=options.history_days,
            window_share=options.window_share,
            default_rate=options.default_rate,
            gate=options.gate,
            seed=options.seed,
        )
        return train_in_process("scoring", spec, work, is_stopped=self._is_stopped)

    def _recount_prior(self, aliases: Aliases, now: int) -> None:
        """Count the prior again while there is no other version: the first ones rest on few outcomes, or on none."""
        prior = read_manifest(self.folder / aliases.prior)
        if prior.data.get("rows") != 0 and aliases.champion != aliases.prior:
            return
        version = next_version(self.folder)
        with work_folder(self.folder) as work:
            outcome = self._train_kind(PRIOR_KIND, version, aliases.champion, work)
            if not outcome.passed:
                self._say(now, version, "not trained", outcome.reason)
                return
            put_in_place(work / self._options.name / version, self.folder)
        champion = version if aliases.champion == aliases.prior else aliases.champion
        self._change(msgspec.structs.replace(aliases, prior=version, champion=champion), now, outcome.reason)
        self._say(now, version, "prior", outcome.reason)
