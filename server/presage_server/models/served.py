"""The models that are served, found by name, and which of their versions a visitor gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from presage_export.registry import Aliases, Arm, Draws, drop_challenger, propensity_of
from presage_featurizer import FEATURE_SETS, FeatureSet
from presage_featurizer.custom import CustomFeatures
from presage_featurizer.state import StatePart
from presage_server.errors import ModelNotFoundError
from presage_server.models.model import Model
from presage_server.models.ranking import RankingModel

__all__ = ["Models", "Route", "Served", "Version"]

Version = TypeVar("Version", Model, RankingModel)


class Route(NamedTuple, Generic[Version]):
    """What serves one visitor."""

    model: Version
    """The version whose score the caller gets."""
    arm: Arm
    propensity: float
    """The share of visitors that get this arm."""
    others: tuple[Version, ...] = ()
    """The other versions, whose scores of the same visitor at the same moment are logged beside it."""
    pairs_share: float = 0.0
    """The share of scores that are logged together with those of the others; 0 without others."""
    needs: frozenset[StatePart] = frozenset()
    """The parts of a visitor's state that the features of all of these versions need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Generic[Version]):
    """The loaded versions of one model."""

    champion: Version
    challenger: Version | None = None
    shadow: Version | None = None
    prior: Version | None = None
    aliases: Aliases = field(default_factory=Aliases)
    """What names them."""
    _routes: Mapping[Arm, Route[Version]] = field(init=False, repr=False, compare=False)
    """By arm. Made once, because a visitor's arm is all that a route depends on."""
    _draws: Draws = field(init=False, repr=False, compare=False)
    _plain: Route[Version] | None = field(init=False, repr=False, compare=False)
    """The route of all visitors, so that no call hashes a visitor's id for it; None if it depends on the visitor."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_routes", {arm: self._route(arm) for arm in Arm})
        object.__setattr__(self, "_draws", Draws(self.aliases))
        is_split = self.aliases.challenger_share or self.aliases.holdout_share
        object.__setattr__(self, "_plain", None if is_split else self._routes[self._draws.arm("")])

    @property
    def versions(self) -> tuple[Version, ...]:
        """The versions, each once, the champion first."""
        named = (self.champion, self.challenger, self.shadow, self.prior)
        return tuple(dict.fromkeys(version for version in named if version is not None))

    def route(self, user_id: str) -> Route[Version]:
        """Choose the version that serves a visitor."""
        return self._plain or self._routes[self._draws.arm(user_id)]

    def without_challenger(self) -> Served[Version]:
        """Return the same without its challenger, as after a rollback."""
        aliases = drop_challenger(self.aliases)
        return Served(champion=self.champion, shadow=self.shadow, prior=self.prior, aliases=aliases)

    def _route(self, arm: Arm) -> Route[Version]:
        model = self.champion
        if arm is Arm.CHALLENGER and self.challenger is not None:
            model = self.challenger
        elif arm is Arm.HOLDOUT and self.prior is not None:
            model = self.prior
        compared = (self.champion, self.challenger, self.shadow)
        others: tuple[Version, ...] = tuple(
            dict.fromkeys(version for version in compared if version is not None and version is not model)
        )
        return Route(
            model,
            arm,
            propensity_of(self.aliases, arm),
            others,
            self.aliases.pairs_share if others else 0.0,
            _needs((model, *others)),
        )


def _needs(versions: Iterable[object]) -> frozenset[StatePart]:
    """Return the parts of a visitor's state that the features of some versions need."""
    return frozenset[StatePart]().union(
        *(version.feature_set.needs for version in versions if isinstance(version, Model))
    )


class Models:
    """The models that are served, by name, and the feature sets that can be asked for.

    Args:
        models: The models that score visitors.
        default: Which of them calls mean that name none.
        rejected: How many newer versions of a model cannot be served, by its name.
        custom: The features of the project that is served.
        ranking: The models that rank items.
        default_ranking: Which of them calls mean that name none.
        problems: What cannot be served and why, by name and version.
    """

    def __init__(
        self,
        models: Mapping[str, Served[Model]],
        default: str,
        rejected: Mapping[str, int] | None = None,
        custom: CustomFeatures | None = None,
        *,
        ranking: Mapping[str, Served[RankingModel]] | None = None,
        default_ranking: str = "",
        problems: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._default, self._default_ranking = default, default_ranking
        self._custom = custom
        self._rolled_back: dict[str, tuple[str, str]] = {}
        """By model, the challenger and the salt of an experiment that was ended here though the aliases still name it."""
        self.rejected: dict[str, int] = {}
        """How many newer versions of a model cannot be served, by its name."""
        self.problems: Mapping[str, Mapping[str, str]] = {}
        """What cannot be served and why, by name and version; a file of aliases has its own name in place of a version."""
        self.replace(models, ranking or {}, rejected or {}, problems)

    def replace(
        self,
        models: Mapping[str, Served[Model]],
        ranking: Mapping[str, Served[RankingModel]],
        rejected: Mapping[str, int],
        problems: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Serve other versions from the next call on; calls that were routed already end on theirs.

        Called by the serving thread between two batches, or before it starts.
        """
        self._models = {name: self._as_rolled_back(name, served) for name, served in models.items()}
        self._ranking = {name: self._as_rolled_back(name, served) for name, served in ranking.items()}
        self.rejected, self.problems = dict(rejected), dict(problems or {})
        self._feature_sets = dict(FEATURE_SETS)
        # A model's own set wins over one of ours of the same name: it may have another time zone or vocabulary.
        self._feature_sets.update((model.feature_set.name, model.feature_set) for model in self)
        if self._custom is not None:
            # The project's is as declared now, with features that no model was trained on yet.
            self._feature_sets[self._custom.feature_set.name] = self._custom.feature_set

    def drop_challenger(self, name: str) -> None:
        """Send nobody to the challenger of a model from the next call on; called as ``replace`` is."""
        if name in self._models:
            self._models = {**self._models, name: self._models[name].without_challenger()}
        else:
            self._ranking = {**self._ranking, name: self._ranking[name].without_challenger()}

    def hold_rollback(self, name: str, aliases: Aliases) -> None:
        """Have a challenger that was dropped stay so until aliases name another, or another experiment; from any thread.

        Args:
            name: The model.
            aliases: Those that named it, and could not be changed.
        """
        self._rolled_back[name] = aliases.challenger, aliases.salt

    def _as_rolled_back(self, name: str, served: Served[Version]) -> Served[Version]:
        held = self._rolled_back.get(name)
        return served.without_challenger() if held == (served.aliases.challenger, served.aliases.salt) else served

    def __getitem__(self, name: str) -> Model:
        """Find the champion of a model; the empty name is the default's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self.served(name).champion

    def __iter__(self) -> Iterator[Model]:
        """Go through all versions of the models that score visitors."""
        return (version for served in self._models.values() for version in served.versions)

    @property
    def ranking_models(self) -> list[RankingModel]:
        """All versions of the models that rank items."""
        return [version for served in self._ranking.values() for version in served.versions]

    @property
    def all(self) -> dict[str, Served[Model] | Served[RankingModel]]:
        """All models of both kinds, by name."""
        return {**self._models, **self._ranking}

    @property
    def default_name(self) -> str:
        """The model of calls that name none; where none scores visitors, the one that ranks items."""
        return self._default or self._default_ranking

    @property
    def default_scoring_name(self) -> str:
        """The model of scores that name none; empty without one."""
        return self._default

    @property
    def default_ranking_name(self) -> str:
        """The model of rankings that name none; empty without one."""
        return self._default_ranking

    def served(self, name: str) -> Served[Model]:
        """Find a model that scores visitors; the empty name is the default's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return _find(self._models, name or self._default, name, "a model that scores")

    def served_ranking(self, name: str) -> Served[RankingModel]:
        """Find a model that ranks items; the empty name is the default's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        advice = "; train one with presage train LOG --rank, and serve its folder with --models"
        return _find(self._ranking, name or self._default_ranking, name, "a ranking model", advice)

    def ranking(self, name: str) -> RankingModel:
        """Find the champion of a ranking model; the empty name is the default's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self.served_ranking(name).champion

    def route(self, name: str, user_id: str) -> Route[Model]:
        """Choose the version of a model that scores a visitor; the empty name is the default's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self.served(name).route(user_id)

    def route_ranking(self, name: str, user_id: str) -> Route[RankingModel]:
        """Choose the version of a ranking model that ranks for a visitor; the empty name is the default's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self.served_ranking(name).route(user_id)

    def feature_set(self, name: str) -> FeatureSet:
        """Find a feature set; the empty name is that of the default model's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        found = self._feature_sets.get(name) if name else self[""].feature_set
        if found is None:
            raise ModelNotFoundError(
                f"expected one of {sorted(self._feature_sets)}, got {name[:64]!r}", field="feature_set"
            )
        return found


def _find(models: Mapping[str, Served[Version]], name: str, asked: str, kind: str, advice: str = "") -> Served[Version]:
    found = models.get(name)
    if found is None:
        expected = f"one of {sorted(models)}" if models else f"{kind}, but none is served"
        raise ModelNotFoundError(f"expected {expected}, got {asked[:64]!r}{advice}", field="model")
    return found
