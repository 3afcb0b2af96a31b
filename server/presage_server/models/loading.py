"""The models that are served: bundles verified at start, found by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import cache, partial
from pathlib import Path

from presage_export.bundle import BundleError, is_ranking_bundle, manifest_digest, read_bundle
from presage_export.registry import Aliases, AliasesError, find_versions, is_version, read_aliases
from presage_featurizer import FeatureSet, FeatureSetError
from presage_featurizer.custom import CustomFeatures
from presage_server.errors import ModelError
from presage_server.models.choosing import ModelFolder, choose_models, log_problems_at_start, no_bundle
from presage_server.models.defaults import choose_default, choose_default_ranking
from presage_server.models.kept_defaults import KeptDefaults, read_kept_defaults
from presage_server.models.model import Model
from presage_server.models.plan import Plan, PlannedModel, VerifiedVersion
from presage_server.models.ranking import RankingModel, load_ranking_model
from presage_server.models.served import Models, Served, Version
from presage_server.models.signatures import signed_digest
from presage_server.models.watching import read_history

__all__ = [
    "describe_version",
    "find_bundles",
    "find_problems",
    "load_any_model",
    "load_model",
    "load_models",
    "make_models",
    "plan_of",
    "read_folders",
    "serve_as_planned",
]

_logger = logging.getLogger(__name__)


def load_models(
    directory: Path,
    default: str = "",
    custom: CustomFeatures | None = None,
    *,
    default_ranking: str = "",
    trusted: str = "",
) -> Models:
    """Verify and load the models of a folder of bundles, <name>/<version>/: what aliases name, or else the highest version of each.

    Of a model without aliases whose highest version cannot be served, the highest one that can be is loaded. Where the champion
    that aliases name cannot be served, the newest one of their history that can be is; other versions that cannot be are left out.
    All of this is logged.

    Args:
        directory: The folder.
        default: The model of calls of ScoringService that name none; empty for the one that is kept there, or the usual one.
        custom: The features of the project that is served; without them, models that need them are rejected.
        default_ranking: The model of calls of RankingService that name none; empty as above.
        trusted: The file of the keys one of which must have signed each bundle; empty if none is required.

    Raises:
        ModelError: There is no bundle, no version of a model can be served, or a default is not among them.
    """
    folders = read_folders(directory)
    loaded: dict[tuple[str, str], Model | RankingModel] = {}

    def check(name: str, version: str) -> VerifiedVersion | str:
        try:
            model = loaded[name, version] = load_any_model(directory / name / version, custom, trusted)
        except ModelError as error:
            return str(error)
        return describe_version(model)

    plan = choose_models(folders, cache(check), project_set="" if custom is None else custom.feature_set.name)
    log_problems_at_start(plan)
    return make_models(plan, loaded, custom, default, default_ranking, kept=read_kept_defaults(directory))


def make_models(
    plan: Plan,
    loaded: Mapping[tuple[str, str], Model | RankingModel],
    custom: CustomFeatures | None,
    default: str,
    default_ranking: str,
    *,
    kept: KeptDefaults | None = None,
) -> Models:
    """Put loaded versions together as a plan says; where no default is given, it is that of ``kept``, or the usual one.

    Raises:
        ModelError: A default is not among the models.
    """
    scoring, ranking = serve_as_planned(plan, loaded)
    kept = kept or KeptDefaults()
    if default in ranking:
        raise ModelError(f"default_model: {default!r} ranks items; name it with --default-ranking-model")
    if default_ranking in scoring:
        raise ModelError(f"default_ranking_model: {default_ranking!r} scores visitors; name it with --default-model")
    return Models(
        scoring,
        choose_default(scoring, default, kept),
        {name: len(plan.problems.get(name, ())) for name in plan.models},
        custom,
        ranking=ranking,
        default_ranking=choose_default_ranking(ranking, default_ranking, kept),
        problems=plan.problems,
    )


def serve_as_planned(
    plan: Plan, loaded: Mapping[tuple[str, str], Model | RankingModel]
) -> tuple[dict[str, Served[Model]], dict[str, Served[RankingModel]]]:
    """Give each loaded version its role: the models that score visitors, and those that rank items."""
    scoring, ranking = {}, {}
    for name, planned in plan.models.items():
        if planned.champion.ranks:
            ranking[name] = _serve(name, planned, loaded, RankingModel)
        else:
            scoring[name] = _serve(name, planned, loaded, Model)
    return scoring, ranking


def _serve(
    name: str, planned: PlannedModel, loaded: Mapping[tuple[str, str], object], kind: type[Version]
) -> Served[Version]:
    def find(version: VerifiedVersion | None) -> Version | None:
        found = None if version is None else loaded[name, version.version]
        return found if isinstance(found, kind) else None

    champion = find(planned.champion)
    assert champion is not None
    return Served(
        champion=champion,
        challenger=find(planned.challenger),
        shadow=find(planned.shadow),
        prior=find(planned.prior),
        aliases=planned.aliases,
    )


def read_folders(directory: Path) -> dict[str, ModelFolder]:
    """Read which versions and aliases there are of each model; raises ModelError without any."""
    folders = {}
    for name, versions in find_bundles(directory).items():
        aliases: Aliases | str
        try:
            aliases = read_aliases(directory / name)
        except AliasesError as error:
            aliases = str(error)
        history = partial(read_history, directory / name)
        folders[name] = ModelFolder(tuple(path.name for path in versions), aliases, history)
    if not folders:
        raise no_bundle(directory)
    return folders


def describe_version(model: Model | RankingModel) -> VerifiedVersion:
    """Describe a version that was verified or opened."""
    manifest = model.bundle.manifest
    return VerifiedVersion(
        version=model.version,
        digest=manifest_digest(manifest),
        ranks=isinstance(model, RankingModel),
        feature_set=manifest.feature_set.name,
        fingerprint=manifest.feature_set.fingerprint,
    )


def _describe_if_any(model: Model | RankingModel | None) -> VerifiedVersion | None:
    return None if model is None else describe_version(model)


def plan_of(models: Models) -> Plan:
    """Return the plan that models would be the result of."""
    planned = {
        name: PlannedModel(
            champion=describe_version(served.champion),
            challenger=_describe_if_any(served.challenger),
            shadow=_describe_if_any(served.shadow),
            prior=_describe_if_any(served.prior),
            aliases=served.aliases,
        )
        for name, served in models.all.items()
    }
    problems = {name: dict(found) for name, found in models.problems.items()}
    return Plan(models=planned, problems=problems)


def find_bundles(directory: Path) -> dict[str, list[Path]]:
    """Find the bundles in a folder, <name>/<version>/: for each model its versions, the oldest first; raises ModelError."""
    try:
        for path in sorted(directory.glob("[!.]*/[!.]*/")):
            if not is_version(path.name):
                _logger.warning("%s is left aside: versions are numbers, such as 3 or 3.1", path)
        return find_versions(directory)
    except OSError as error:
        raise ModelError(f"models: {error.filename or directory} cannot be read: {error.strerror}") from error


def load_any_model(directory: Path, custom: CustomFeatures | None = None, trusted: str = "") -> Model | RankingModel:
    """Verify and load one bundle, <name>/<version>, of either kind; raises ModelError if it cannot be served.

    ``trusted`` is the file of the keys one of which must have signed it; empty if none is required.
    """
    signed = signed_digest(directory, trusted)
    try:
        ranks = is_ranking_bundle(directory)
    except BundleError as error:
        raise ModelError(str(error)) from error
    model = load_ranking_model(directory) if ranks else load_model(directory, custom)
    if signed and manifest_digest(model.bundle.manifest) != signed:
        raise ModelError(f"{directory / 'manifest.json'}: was replaced while it was verified")
    return model


def find_problems(directory: Path, custom: CustomFeatures | None, name: str, versions: Iterable[str]) -> dict[str, str]:
    """Verify versions of a model; return why they cannot be served, by version: empty if all can be."""
    problems = {}
    for version in versions:
        try:
            load_any_model(directory / name / version, custom)
        except ModelError as error:
            problems[version] = str(error)
    return problems


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
