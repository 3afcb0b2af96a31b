"""The models that are served: bundles verified at start, found by name."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from presage.v1 import prediction_pb2
from presage_export.bundle import Bundle, BundleError, is_ranking_bundle, read_bundle
from presage_featurizer import FEATURE_SETS, FeatureSet, FeatureSetError
from presage_featurizer.custom import CustomFeatures
from presage_server.errors import ModelError, ModelNotFoundError
from presage_server.models.ranking import RankingModel, load_ranking_model

__all__ = ["Model", "Models", "find_bundles", "load_any_model", "load_model", "load_models"]

_logger = logging.getLogger(__name__)

_DEFAULT, _DEFAULT_RANKING = "conversion", "ranking"
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One model version that is served; equal only to itself, so that calls are grouped by version, not by name."""

    name: str
    """What calls name it by: the folder that it lies in."""
    version: str
    """Which of that name it is: the folder in that one."""
    bundle: Bundle
    """Its verified bundle."""
    feature_set: FeatureSet
    """What its rows are made of."""
    encoded_name: bytes = field(init=False, repr=False)
    """Its name and version as the fields of an encoded ``presage.v1.Prediction``."""

    def __post_init__(self) -> None:
        encoded = prediction_pb2.Prediction(model=self.name, model_version=self.version).SerializeToString()
        object.__setattr__(self, "encoded_name", encoded)

    def predict(self, rows: NDArray[np.float32]) -> list[float]:
        """Score rows.

        Args:
            rows: Array of shape (rows, features of the set), float32, C-contiguous and finite.

        Returns:
            One score for each row: the model's margin through its calibration, or else its link, in double precision.
        """
        return self.bundle.scores(rows)


class Models:
    """The models that are served, by name, and the feature sets that can be asked for."""

    def __init__(
        self,
        models: Mapping[str, Model],
        default: str,
        rejected: Mapping[str, int] | None = None,
        custom: CustomFeatures | None = None,
        *,
        ranking: Mapping[str, RankingModel] | None = None,
        default_ranking: str = "",
    ) -> None:
        self._models = dict(models)
        self._ranking, self._default_ranking = dict(ranking or {}), default_ranking
        self._default = default
        self.rejected = dict(rejected or {})
        """How many newer versions of a model cannot be served, by its name."""
        self._feature_sets = dict(FEATURE_SETS)
        # A model's own set wins over one of ours of the same name: it may have another time zone or vocabulary.
        self._feature_sets.update((model.feature_set.name, model.feature_set) for model in models.values())
        if custom is not None:
            # The project's is as declared now, with features that no model was trained on yet.
            self._feature_sets[custom.feature_set.name] = custom.feature_set

    def __getitem__(self, name: str) -> Model:
        """Find a model; the empty name is the default's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        model = self._models.get(name or self._default)
        if model is None:
            expected = f"one of {sorted(self._models)}" if self._models else "a model that scores, but none is served"
            raise ModelNotFoundError(f"expected {expected}, got {name[:64]!r}", field="model")
        return model

    def __iter__(self) -> Iterator[Model]:
        """Go through the models that score visitors."""
        return iter(self._models.values())

    @property
    def ranking_models(self) -> list[RankingModel]:
        """The models that rank items."""
        return list(self._ranking.values())

    def ranking(self, name: str) -> RankingModel:
        """Find a ranking model; the empty name is the default's.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        model = self._ranking.get(name or self._default_ranking)
        if model is None:
            expected = f"one of {sorted(self._ranking)}" if self._ranking else "a ranking model, but none is served"
            raise ModelNotFoundError(
                f"expected {expected}, got {name[:64]!r}; train one with presage train LOG --rank, and serve its folder with "
                "--models",
                field="model",
            )
        return model

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


def load_models(
    directory: Path, default: str = "", custom: CustomFeatures | None = None, *, default_ranking: str = ""
) -> Models:
    """Verify and load the highest version of every model in a folder of bundles, <name>/<version>/.

    Of a model whose highest version cannot be served, the highest one that can be is loaded; every version above it is logged.

    Args:
        directory: The folder.
        default: The model of calls of ScoringService that name none; empty for the usual one.
        custom: The features of the project that is served; without them, models that need them are rejected.
        default_ranking: The model of calls of RankingService that name none; empty for the usual one.

    Raises:
        ModelError: There is no bundle, no version of a model can be served, or a default is not among them.
    """
    models: dict[str, Model] = {}
    ranking: dict[str, RankingModel] = {}
    rejected = {}
    for name, versions in find_bundles(directory).items():
        model, rejected[name] = _load_highest(versions[::-1], custom)
        if isinstance(model, RankingModel):
            ranking[name] = model
        else:
            models[name] = model
    if not (models or ranking):
        raise ModelError(f"models: no bundle found under {directory}; expected <name>/<version>/manifest.json")
    _check_feature_sets(models.values(), custom)
    if default in ranking:
        raise ModelError(f"default_model: {default!r} ranks items; name it with --default-ranking-model")
    if default_ranking in models:
        raise ModelError(f"default_ranking_model: {default_ranking!r} scores visitors; name it with --default-model")
    return Models(
        models,
        _choose_default(models, default, _DEFAULT, "default_model"),
        rejected,
        custom,
        ranking=ranking,
        default_ranking=_choose_default(ranking, default_ranking, _DEFAULT_RANKING, "default_ranking_model"),
    )


def _choose_default(models: Mapping[str, object], given: str, usual: str, setting: str) -> str:
    """Choose the model of calls that name none: the given one, the usual one, or the only one; empty where there are no models."""
    chosen = given or (usual if usual in models or len(models) > 1 else next(iter(models), ""))
    if chosen and chosen not in models:
        raise ModelError(
            f"{setting}: expected one of {sorted(models)}, got {chosen!r}; name it with --{setting.replace('_', '-')}"
        )
    return chosen


def _load_highest(versions: Sequence[Path], custom: CustomFeatures | None) -> tuple[Model | RankingModel, int]:
    """Load the first version that can be served, and count those before it; raises the first one's ModelError if none can."""
    errors = []
    for path in versions:
        try:
            model = load_any_model(path, custom)
        except ModelError as error:
            errors.append(error)
            continue
        for rejection in errors:
            _logger.error(
                "serving version %s of %s, because a newer one is rejected: %s", path.name, model.name, rejection
            )
        return model, len(errors)
    raise errors[0]


def find_bundles(directory: Path) -> dict[str, list[Path]]:
    """Find the bundles in a folder, <name>/<version>/: for each model its versions, the oldest first; raises ModelError."""
    found = {}
    try:
        for folder in _folders(directory):
            versions = sorted((path for path in _folders(folder) if _is_version(path)), key=_version_order)
            if versions:
                found[folder.name] = versions
    except OSError as error:
        raise ModelError(f"models: {directory} cannot be read: {error.strerror}") from error
    return found


def load_any_model(directory: Path, custom: CustomFeatures | None = None) -> Model | RankingModel:
    """Verify and load one bundle, <name>/<version>, of either kind; raises ModelError if it cannot be served."""
    try:
        ranks = is_ranking_bundle(directory)
    except BundleError as error:
        raise ModelError(str(error)) from error
    return load_ranking_model(directory) if ranks else load_model(directory, custom)


def load_model(directory: Path, custom: CustomFeatures | None = None) -> Model:
    """Verify and load one bundle, <name>/<version>; raises ModelError if it cannot be served."""
    try:
        bundle = read_bundle(directory)
        feature_set = FeatureSet.restore(bundle.manifest.feature_set, custom)
    except BundleError as error:
        raise ModelError(str(error)) from error
    except FeatureSetError as error:
        raise ModelError(f"{directory / 'manifest.json'}: feature_set.{error}") from error
    return Model(directory.parent.name, directory.name, bundle, feature_set)


def _folders(directory: Path) -> list[Path]:
    # Hidden ones are bundles that are being written, or were when something stopped it.
    return sorted(path for path in directory.glob("*") if path.is_dir() and not path.name.startswith("."))


def _check_feature_sets(models: Iterable[Model], custom: CustomFeatures | None) -> None:
    """GetFeatures finds a set by its name, so one name must not mean two sets; a project's name means the project's."""
    first: dict[str, Model] = {}
    for model in models:
        if custom is not None and model.feature_set.name == custom.feature_set.name:
            continue  # older models have fewer of its features
        other = first.setdefault(model.feature_set.name, model)
        if other.feature_set != model.feature_set:
            raise ModelError(
                f"models: {other.name} and {model.name} have different feature sets, both called {model.feature_set.name!r}; "
                "give one of them a name of its own"
            )


def _is_version(path: Path) -> bool:
    if _VERSION.fullmatch(path.name):
        return True
    _logger.warning("%s is left aside: versions are numbers, such as 3 or 3.1", path)
    return False


def _version_order(path: Path) -> tuple[int, ...]:
    """Order versions by their numbers: 9 before 10, 2 before 2.1."""
    return tuple(int(part) for part in path.name.split("."))
