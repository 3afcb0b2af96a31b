"""What a learner is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from presage_training.datasets.targets import PurchaseInSession, Target
from presage_training.errors import DatasetError
from presage_training.experiment.planning import choose_kinds
from presage_training.learning.gate import GateRules
from presage_training.project.project import choose_features
from presage_training.replaying.decisions import DecisionPoints, EveryEvent
from presage_training.verdicts import DecisionRules
from presage_training.verdicts.sequence import TIGHTEST_AT

__all__ = ["LearnOptions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnOptions:
    """When to train, on what, and what a new version has to show.

    Raises:
        DatasetError: A field is out of its range; the message names it.
        FeatureSetError: There is no such time zone.
    """

    name: str = "conversion"
    """The model's name, a folder in that of the models."""
    target: Target = field(default_factory=PurchaseInSession)
    decisions: DecisionPoints = field(default_factory=EveryEvent)
    features: str = "core"
    """The features of a model that does not exist yet; otherwise those of its champion are kept."""
    time_zone: str = "UTC"
    """The shop's time zone, of a model that does not exist yet as well."""
    kind: str = "lightgbm-classifier"
    """The kind of model that is trained."""
    after_purchases: int = 500
    """Train when this many more purchases have been archived."""
    every_hours: float = 168.0
    """Train after this time if there was any new purchase; 0: never because of time."""
    history_days: float = 0.0
    """Train on the newest days only; 0: on all that the archive holds."""
    window_share: float = 0.25
    """The newest share of the time: it is not trained on, and new versions are compared with the champion in it."""
    challenger_share: float = 0.1
    """The share of visitors that a new version gets."""
    holdout_share: float = 0.02
    """The share of visitors that the prior serves, set where the aliases have none yet."""
    pairs_share: float = 0.1
    """The share of scores that all other versions make, too, for the log; set with the first aliases."""
    cooldown_hours: float = 24.0
    """How long after a challenger was promoted or dropped no new one is trained."""
    patience_hours: float = 336.0
    """After how long a challenger is dropped that is neither better nor worse."""
    default_rate: float = 0.02
    """What a prior predicts without any data."""
    gate: GateRules = field(default_factory=GateRules)
    rules: DecisionRules = field(default_factory=DecisionRules)
    tightest_at: int = TIGHTEST_AT
    """See ``confidence_sequence``; the same at every look."""
    draws: int = 200
    """Bootstrap draws for the intervals that are valid for one look only."""
    seed: int = 7

    def __post_init__(self) -> None:
        if not self.target.is_classification:
            raise DatasetError(f"target: expected one that is true or false, got {self.target.name}")
        choose_kinds(self.target.name, [self.kind], classifies=True)
        if self.after_purchases < 1:
            raise DatasetError(f"after_purchases: expected 1 or more, got {self.after_purchases}")
        if self.draws < 2:
            raise DatasetError(f"draws: expected 2 or more, got {self.draws}")
        for name in ("every_hours", "history_days", "cooldown_hours", "patience_hours"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise DatasetError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        for name in ("challenger_share", "holdout_share", "pairs_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise DatasetError(f"{name}: expected 0 to 1, got {getattr(self, name)}")
        choose_features(None, self.features, self.time_zone)
        for name in ("window_share", "default_rate"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise DatasetError(f"{name}: expected above 0 and below 1, got {getattr(self, name)}")
