"""One cycle of learning after another: follow the archive, judge the challenger, train when it is time, register what passes.

Everything is kept on disk: the versions, the aliases with their history, and the learner's own state. Each step replaces one of
them as a whole, and checks whether it was done before; so a learner can be ended between any two steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from presage_export.registry import (
    Aliases,
    Verdict,
    append_verdict,
    read_aliases,
    read_changes,
    replace_aliases,
    split,
)
from presage_featurizer.event_log import CHECKPOINT_FILE
from presage_training.learning.challengers import JudgedChallenger
from presage_training.learning.counting import count_new_purchases
from presage_training.learning.options import LearnSchedule
from presage_training.learning.process import TrainingOutcome
from presage_training.learning.registering import (
    find_prior,
    is_prior,
    next_version,
    present_versions,
    put_in_place,
    work_folder,
)
from presage_training.learning.state import read_state, write_state

__all__ = ["LearningCycle"]

Options = TypeVar("Options", bound=LearnSchedule)

_CHANGED_BY: Final = "presage learn"
_HOUR_MICROS: Final = 3_600_000_000


class LearningCycle(ABC, Generic[Options]):
    """Learns one model from one archive; what depends on the kind of model is in subclasses.

    Args:
        archive: The folder of ``presage archive --to``; None, or one that does not exist yet: only a prior can be written.
        models: The folder of bundles, NAME/VERSION.
        options: When to train, on what, and what a new version has to show.
        on_verdict: Called with each decision.
        is_stopped: Whether to end; called a few times a second while a model is trained.
    """

    def __init__(
        self,
        archive: Path | None,
        models: Path,
        options: Options,
        *,
        on_verdict: Callable[[Verdict], None] = lambda _: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.folder = models.resolve() / options.name
        self._archive, self._options = archive, options
        self._on_verdict, self._is_stopped = on_verdict, is_stopped

    def cycle(self, now_unix_micros: int) -> bool:
        """Take each step that is due; all that is decided has the time ``now_unix_micros``.

        Returns:
            Whether a version was trained and waits to be registered: call again at once, with the current time, at which its trial
            begins. That cycle does nothing else, so that the version is judged no sooner than in the next one.

        Raises:
            StoppedError: It was stopped while a model was trained.
            TrainingError: The archive or the learner's own files cannot be used, or the training process ended early.
            ExportError: The aliases or the champion cannot be read.
            OSError: A folder cannot be read or written.
        """
        now = now_unix_micros
        self.start(now)
        if self._archive is None or not (self._archive / CHECKPOINT_FILE).exists():
            return False
        was_trained = bool(read_state(self.folder).pending_version)
        steps = (self._count, self._judge_challenger, self._train_if_due)
        for step in (self._finish_registration,) if was_trained else steps:
            if self._is_stopped():
                return False
            step(now)
        return bool(read_state(self.folder).pending_version)

    def start(self, now_unix_micros: int) -> None:
        """Make sure that a server finds a model: a prior at least, and aliases that name it. Raises as ``cycle``."""
        aliases = read_aliases(self.folder)
        versions = present_versions(self.folder)
        champion = aliases.champion or next((path.name for path in reversed(versions) if not is_prior(path)), "")
        if champion:
            self._check_champion(self.folder / champion)
        if aliases.prior:
            return
        if champion and not aliases.champion:
            # Before the prior is there: without aliases, the highest version serves.
            pinned = msgspec.structs.replace(aliases, champion=champion)
            aliases = self._change(pinned, now_unix_micros, "the version that served already")
        prior = find_prior(self.folder) or self._make_first_prior(champion)
        first = {} if champion else {"champion": prior, "pairs_share": self._options.pairs_share}
        holdout_share = aliases.holdout_share or self._options.holdout_share
        changed = msgspec.structs.replace(aliases, prior=prior, holdout_share=holdout_share, **first)
        self._change(changed, now_unix_micros, self._first_prior)
        self._say(now_unix_micros, prior, "prior", self._first_prior)

    def _make_first_prior(self, champion: str) -> str:
        version = next_version(self.folder)
        with work_folder(self.folder) as work:
            made = work / self._options.name / version
            self._write_first_prior(made, champion)
            put_in_place(made, self.folder)
        return version

    @abstractmethod
    def _check_champion(self, champion: Path) -> None:
        """Raise LearningError if a bundle is not one that this learner goes on from."""

    @property
    @abstractmethod
    def _first_prior(self) -> str:
        """What the first prior says, for the history."""

    @abstractmethod
    def _write_first_prior(self, directory: Path, champion: str) -> None:
        """Write a prior that needs no data."""

    @abstractmethod
    def _judge(self, aliases: Aliases, *, is_out_of_time: bool) -> JudgedChallenger:
        """Judge the challenger by what the archive has."""

    @abstractmethod
    def _train(self, version: str, champion: str, work: Path) -> TrainingOutcome:
        """Train a version into a work folder, and compare it with the champion."""

    def _recount_prior(self, aliases: Aliases, now: int) -> None:
        """Make the prior again, where it rests on data; before a version is trained."""

    def _count(self, _now: int) -> None:
        state = read_state(self.folder)
        counted = count_new_purchases(self._known_archive, state)
        if counted != state:
            write_state(self.folder, counted)

    def _judge_challenger(self, now: int) -> None:
        """Promote or drop the challenger as soon as the outcomes decide it, or drop it when its time is over."""
        aliases, state = read_aliases(self.folder), read_state(self.folder)
        if not aliases.challenger or state.looked_batch == state.batch:
            return
        challenger = aliases.challenger
        judged = self._judge(aliases, is_out_of_time=self._is_out_of_time(challenger, now))
        write_state(self.folder, msgspec.structs.replace(state, looked_batch=state.batch))
        if judged.aliases is not None:
            self._change(judged.aliases, now, f"{judged.verdict}: {judged.reason}")
        self._say(now, challenger, judged.verdict, judged.reason)

    def _is_out_of_time(self, challenger: str, now: int) -> bool:
        began = next(
            (
                change.changed_at_unix_micros
                for change in reversed(list(read_changes(self.folder)))
                if change.after.challenger == challenger != change.before.challenger
            ),
            now,
        )
        return now - began >= self._options.patience_hours * _HOUR_MICROS

    def _train_if_due(self, now: int) -> None:
        aliases, state, options = read_aliases(self.folder), read_state(self.folder), self._options
        purchases = state.purchases - state.trained_purchases
        by_time = 0.0 < options.every_hours * _HOUR_MICROS <= now - (state.trained_unix_micros or now)
        if purchases < options.after_purchases and not (purchases and by_time):
            if not state.trained_unix_micros:
                # Hours are counted from the first look.
                write_state(self.folder, msgspec.structs.replace(state, trained_unix_micros=now))
            return
        ended = self._last_end()
        if aliases.challenger or (ended and now - ended < options.cooldown_hours * _HOUR_MICROS):
            return
        self._recount_prior(aliases, now)
        aliases = read_aliases(self.folder)
        version = next_version(self.folder)
        with work_folder(self.folder) as work:
            outcome = self._train(version, aliases.champion, work)
            done = msgspec.structs.replace(state, trained_purchases=state.purchases, trained_unix_micros=now)
            if not outcome.passed:
                write_state(self.folder, done)
                self._say(now, version, "rejected" if outcome.trained else "not trained", outcome.reason)
                return
            # From here on, an ended learner goes on with registering.
            write_state(
                self.folder, msgspec.structs.replace(done, pending_version=version, pending_reason=outcome.reason)
            )
            put_in_place(work / options.name / version, self.folder)

    def _last_end(self) -> int:
        """Return when a challenger was last promoted or dropped, by anyone; 0: never."""
        ends = (
            change.changed_at_unix_micros
            for change in read_changes(self.folder)
            if change.before.challenger and change.before.challenger != change.after.challenger
        )
        return max(ends, default=0)

    def _finish_registration(self, now: int) -> None:
        """Make the version that has passed the gate the challenger, if its bundle is in its place."""
        state, options = read_state(self.folder), self._options
        version = state.pending_version
        if not version:
            return
        aliases = read_aliases(self.folder)
        changes = list(read_changes(self.folder))
        if changes and changes[-1].before == aliases:
            changes.pop()  # it was cut off before it held
        known = any(version in change.after.versions for change in changes)
        if (self.folder / version).is_dir() and not aliases.challenger and not known:
            salt = f"{options.name}/{version}/{options.seed}"
            changed = split(aliases, version, options.challenger_share, champion=aliases.champion, new_salt=salt)
            self._change(changed, now, state.pending_reason)
            self._say(now, version, "challenger", state.pending_reason, purchases=state.trained_purchases)
        write_state(self.folder, msgspec.structs.replace(state, pending_version="", pending_reason=""))

    @property
    def _known_archive(self) -> Path:
        assert self._archive is not None
        return self._archive

    def _change(self, aliases: Aliases, now: int, reason: str) -> Aliases:
        return replace_aliases(self.folder, aliases, now_unix_micros=now, changed_by=_CHANGED_BY, reason=reason)

    def _say(self, now: int, version: str, verdict: str, reason: str, *, purchases: int = 0) -> None:
        said = Verdict(decided_at_unix_micros=now, version=version, verdict=verdict, reason=reason, purchases=purchases)
        append_verdict(self.folder, said)
        self._on_verdict(said)
