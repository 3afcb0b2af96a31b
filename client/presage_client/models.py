"""What is known of the models that a server serves; meanings and limits are those of ``presage/v1/model_service.proto``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from presage_client._checks import check_instance, check_integers, check_numbers, check_texts

__all__ = [
    "AliasChange",
    "Aliases",
    "GoldenCheck",
    "ModelDetails",
    "ModelKind",
    "ModelSummary",
    "RollbackRules",
    "VersionState",
    "VersionSummary",
]


class ModelKind(IntEnum):
    """What a model's output is for."""

    UNSPECIFIED = 0
    """Unknown, as where no version can be read."""
    SCORING = 1
    """It scores visitors."""
    RANKING = 2
    """It ranks items."""


class VersionState(IntEnum):
    """What became of a version in the process that answered."""

    UNSPECIFIED = 0
    """A newer server has a state that this client lacks."""
    LOADED = 1
    """An alias names it, or it is the highest one."""
    AVAILABLE = 2
    """It lies in the folder, and no alias names it."""
    REJECTED = 3
    """It was wanted and cannot be served."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackRules:
    """When a challenger is rolled back by itself, compared with the champion in the same window."""

    window_seconds: float = 10.0
    min_scores: int = 200
    """How many scores of the challenger a window needs before anything is decided."""
    max_error_share: float = 0.01
    max_latency_ratio: float = 3.0
    """Of the time that a run of the model takes, challenger to champion, at the 99th percentile."""
    max_default_share_difference: float = 0.1
    """Between the shares of features that are at their defaults."""
    max_score_shift: float = 0.1
    """Between the mean scores."""
    paired_alpha: float = 0.05
    """The error level of the sequence of tests of the paired log loss."""

    def __post_init__(self) -> None:
        check_integers(self, ("min_scores",))
        check_numbers(
            self,
            (
                "window_seconds",
                "max_error_share",
                "max_latency_ratio",
                "max_default_share_difference",
                "max_score_shift",
                "paired_alpha",
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Aliases:
    """Which versions of one model serve which visitors. To change some, use ``dataclasses.replace`` on those that were read.

    Raises:
        TypeError: A field has a value of the wrong type; the message names it.
    """

    champion: str = ""
    """Serves all visitors that no other version serves; empty: the highest version that can be served."""
    challenger: str = ""
    """Is tried on a share of the visitors; empty: none."""
    challenger_share: float = 0.0
    """The share of visitors that it serves, 0 to 1."""
    shadow: str = ""
    """Scores the same vectors, for the log only; empty: none."""
    prior: str = ""
    """Serves the visitors that are held out; empty: the champion does."""
    holdout_share: float = 0.0
    """The share of visitors that are held out, 0 to 1."""
    salt: str = ""
    """Hashed together with a visitor's id to choose the arm: another text assigns visitors again."""
    pairs_share: float = 0.1
    """The share of scores that are logged together with those of the other versions, 0 to 1."""
    rollback: RollbackRules | None = None
    """When a challenger is rolled back by itself; None: as before."""
    revision: int = 0
    """Grows by one with each change; a change has to name the one that it was decided on."""

    def __post_init__(self) -> None:
        check_texts(self, ("champion", "challenger", "shadow", "prior", "salt"))
        check_numbers(self, ("challenger_share", "holdout_share", "pairs_share"))
        check_integers(self, ("revision",))
        if self.rollback is not None:
            check_instance("rollback", self.rollback, RollbackRules)


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionSummary:
    """One version of a model."""

    version: str
    state: VersionState
    problem: str
    """Why it cannot be served; empty if it can."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSummary:
    """One model: its versions, and which of them serve."""

    name: str
    kind: ModelKind
    aliases: Aliases
    """As they are written down; where they name no champion, it is the version that serves as one."""
    versions: tuple[VersionSummary, ...]
    """The oldest first."""
    default_model: bool
    """Whether calls that name no model get this one."""
    problem: str
    """Why its aliases cannot be read; empty if they can."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenCheck:
    """How exactly the server reproduces the golden rows of a bundle."""

    rows: int
    max_difference: float
    """Of a margin from that of the model that was exported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasChange:
    """One change of a model's aliases."""

    changed_at_unix_micros: int
    changed_by: str
    """An operator's name, or the rule that did it."""
    reason: str
    before: Aliases
    after: Aliases


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDetails:
    """All that is known of one version of a model."""

    model: str
    version: str
    kind: ModelKind
    state: VersionState
    problem: str
    """Why it cannot be served; empty if it can."""
    feature_set: str
    fingerprint: str
    """Of the feature set, in hex."""
    importances: Mapping[str, float | None]
    """Each feature's share of the model, by name, in the order of the feature set; None if the bundle does not say."""
    metrics: Mapping[str, float]
    """Its measures on data that it was not trained on."""
    training_data: Mapping[str, str]
    libraries: Mapping[str, str]
    """The versions of the libraries that made it."""
    golden_check: GoldenCheck | None
    """None if it is not loaded."""
    changes: tuple[AliasChange, ...]
    """Of its model's aliases, the newest first; the last 100."""
    missing: tuple[str, ...]
    """What its bundle lacks that others have, and why."""
