"""What is known of the models of a folder, as messages: what is served here, and what lies beside it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from weakref import WeakKeyDictionary

from msgspec import UNSET
from msgspec.structs import replace

from presage.v1 import model_service_pb2 as pb
from presage_export.bundle import (
    BundleError,
    GoldenResult,
    Manifest,
    measure_golden,
    missing_parts,
    read_manifest,
)
from presage_export.registry import Aliases, AliasesError, ChangeLog, find_versions, read_aliases, read_change_log
from presage_server.errors import ModelNotFoundError
from presage_server.models.aliases_messages import aliases_to_proto, change_to_proto
from presage_server.models.folder_names import without_folder
from presage_server.models.model import Model
from presage_server.models.ranking import RankingModel
from presage_server.models.served import Models, Served

__all__ = ["Reporter"]

_MAX_CHANGES = 100


class Reporter:
    """Describes models, from what is loaded and from the folder. All methods read files; for any thread.

    Args:
        directory: The folder of bundles, <name>/<version>/.
        models: What this process serves.
    """

    def __init__(self, directory: Path, models: Models) -> None:
        self._directory = directory
        self._models = models
        self._golden: WeakKeyDictionary[Model | RankingModel, GoldenResult] = WeakKeyDictionary()

    def list_models(self) -> pb.ListModelsResponse:
        """Describe all models of the folder, and those that are served although their folder is gone."""
        found = self._find_versions()
        served = self._models.all
        for name in served:
            found.setdefault(name, [])
        summaries = [self._summarize(name, versions, served.get(name)) for name, versions in sorted(found.items())]
        return pb.ListModelsResponse(models=summaries)

    def get_model(self, name: str, version: str) -> pb.GetModelResponse:
        """Describe one version; without a name, of the default model; without a version, the champion.

        Raises:
            ModelNotFoundError: There is no such model or version.
        """
        name = name or self._models.default_name
        served = self._models.all.get(name)
        versions = self._find_versions().get(name, [])
        if served is None and not versions:
            raise ModelNotFoundError(
                f"expected one of {sorted(self._find_versions())}, got {name[:64]!r}", field="model"
            )
        version = version or (served.champion.version if served else versions[-1])
        loaded = _loaded(served).get(version)
        if loaded is None and version not in versions:
            raise ModelNotFoundError(f"expected one of {versions}, got {version[:64]!r}", field="version")
        summary = self._summarize_version(name, version, served)
        response = pb.GetModelResponse(model=name, version=version, state=summary.state, problem=summary.problem)
        history = self._read_history(name)
        response.changes.extend(change_to_proto(change) for change in islice(reversed(history.changes), _MAX_CHANGES))
        try:
            manifest = read_manifest(self._directory / name / version) if loaded is None else loaded.bundle.manifest
            _describe(manifest, response)
            if loaded is not None:
                golden = self._measure(loaded)
                response.golden_check.rows = golden.rows
                response.golden_check.max_difference = golden.max_difference
        except BundleError as error:
            response.problem = response.problem or self._without_folder(str(error))
            if loaded is None:
                response.state = pb.VERSION_STATE_REJECTED
        if history.problem:
            response.missing.append(f"changes: {self._without_folder(history.problem)}")
        return response

    def _without_folder(self, text: str) -> str:
        return without_folder(text, self._directory)

    def _read_history(self, name: str) -> ChangeLog:
        path = self._directory / name
        try:
            return read_change_log(path)
        except OSError as error:
            return ChangeLog([], f"{error.filename or path}: cannot be read: {error.strerror}")

    def _find_versions(self) -> dict[str, list[str]]:
        try:
            found = find_versions(self._directory)
        except OSError:
            return {}  # what is served is still known
        return {name: [path.name for path in paths] for name, paths in found.items()}

    def _summarize(
        self, name: str, versions: list[str], served: Served[Model] | Served[RankingModel] | None
    ) -> pb.ModelSummary:
        problem = ""
        try:
            aliases = read_aliases(self._directory / name)
        except AliasesError as error:
            problem, aliases = self._without_folder(str(error)), Aliases() if served is None else served.aliases
        if served is not None and not aliases.champion:
            aliases = replace(aliases, champion=served.champion.version)
        gone = [version for version in _loaded(served) if version not in versions]
        return pb.ModelSummary(
            name=name,
            kind=self._kind_of(name, versions, served),
            aliases=aliases_to_proto(aliases),
            versions=[self._summarize_version(name, version, served) for version in (*gone, *versions)],
            default_model=name in {self._models.default_name, self._models.default_ranking_name},
            problem=problem,
        )

    def _summarize_version(
        self, name: str, version: str, served: Served[Model] | Served[RankingModel] | None
    ) -> pb.VersionSummary:
        problem = self._without_folder(self._models.problems.get(name, {}).get(version, ""))
        if version in _loaded(served):
            state = pb.VERSION_STATE_LOADED
        else:
            state = pb.VERSION_STATE_REJECTED if problem else pb.VERSION_STATE_AVAILABLE
        return pb.VersionSummary(version=version, state=state, problem=problem)

    def _kind_of(
        self, name: str, versions: list[str], served: Served[Model] | Served[RankingModel] | None
    ) -> pb.ModelKind.ValueType:
        if served is not None:
            return _kind(served.champion.bundle.manifest)
        for version in reversed(versions):
            try:
                return _kind(read_manifest(self._directory / name / version))
            except BundleError:
                continue
        return pb.MODEL_KIND_UNSPECIFIED

    def _measure(self, model: Model | RankingModel) -> GoldenResult:
        found = self._golden.get(model)
        if found is None:
            found = self._golden[model] = measure_golden(
                self._directory / model.name / model.version, model.bundle.manifest, model.bundle.model
            )
        return found


def _loaded(served: Served[Model] | Served[RankingModel] | None) -> dict[str, Model | RankingModel]:
    return {} if served is None else {model.version: model for model in served.versions}


def _kind(manifest: Manifest) -> pb.ModelKind.ValueType:
    return pb.MODEL_KIND_SCORING if manifest.ranking is UNSET else pb.MODEL_KIND_RANKING


def _describe(manifest: Manifest, response: pb.GetModelResponse) -> None:
    response.kind = _kind(manifest)
    response.feature_set = manifest.feature_set.name
    response.fingerprint = manifest.feature_set.fingerprint
    shares = manifest.shares
    response.features.extend(
        pb.FeatureImportance(feature=name, importance=shares.get(name)) for name in manifest.feature_set.features
    )
    response.metrics.update(manifest.metrics)
    response.training_data.update({name: str(value) for name, value in manifest.data.items()})
    response.libraries.update(manifest.libraries)
    response.missing.extend(missing_parts(manifest))
