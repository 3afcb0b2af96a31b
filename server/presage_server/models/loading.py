"""The models that are served: bundles verified at start, found by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from presage_export.bundle import BundleError, is_ranking_bundle, read_bundle
from presage_export.registry import find_versions, is_version, read_aliases
from presage_featurizer import FeatureSet, FeatureSetError
from presage_featurizer.custom import CustomFeatures
from presage_server.errors import ModelError
from presage_server.models.model import Model
from presage_server.models.ranking import RankingModel, load_ranking_model
from presage_server.models.served import Models, Served

__all__ = ["find_bundles", "load_any_model", "load_model", "load_models"]

_logger = logging.getLogger(__name__)

_DEFAULT, _DEFAULT_RANKING = "conversion", "ranking"


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
    models: dict[str, Served[Model]] = {}
    ranking: dict[str, Served[RankingModel]] = {}
    rejected = {}
    for name, versions in find_bundles(directory).items():
        loaded, rejected[name] = _load_served(versions, custom)
        if isinstance(loaded.champion, RankingModel):
            ranking[name] = loaded
        else:
            models[name] = loaded
    if not (models or ranking):
        raise ModelError(f"models: no bundle found under {directory}; expected <name>/<version>/manifest.json")
    _check_feature_sets([served.champion for served in models.values()], custom)
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


def _load_served(versions: Sequence[Path], custom: CustomFeatures | None) -> tuple[Served[Any], int]:
    """Load the versions that the aliases of a model name; without any, the highest one that can be served."""
    aliases = read_aliases(versions[0].parent)
    if not aliases.champion:
        model, rejected = _load_highest(versions[::-1], custom)
        return Served(champion=model), rejected
    of_version: dict[str, Any] = {
        version: load_any_model(versions[0].parent / version, custom) for version in aliases.versions
    }
    return Served(
        champion=of_version[aliases.champion],
        challenger=of_version.get(aliases.challenger),
        shadow=of_version.get(aliases.shadow),
        prior=of_version.get(aliases.prior),
        aliases=aliases,
    ), 0


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
    try:
        for path in sorted(directory.glob("[!.]*/[!.]*/")):
            if not is_version(path.name):
                _logger.warning("%s is left aside: versions are numbers, such as 3 or 3.1", path)
        return find_versions(directory)
    except OSError as error:
        raise ModelError(f"models: {directory} cannot be read: {error.strerror}") from error


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
