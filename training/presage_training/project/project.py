"""A project's folder, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from presage_featurizer import FeatureSet, FeatureSetError
from presage_featurizer.custom import CustomFeatures, read_custom_features
from presage_training.datasets.dataset import parse_feature_set
from presage_training.errors import ProjectError
from presage_training.project.training_file import read_training_file
from presage_training.readers import LogFormat

__all__ = ["Project", "choose_features", "log_source"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    folder: Path
    features: CustomFeatures
    training: Mapping[str, Any]
    """What ``training.toml`` says."""

    @classmethod
    def read(cls, folder: Path) -> Project:
        """Read a project's files; all but ``features.toml`` may be missing.

        Raises:
            ProjectError: A file cannot be read, or is not valid; the message names it.
        """
        if not (folder / "features.toml").is_file():
            problem = "holds no features.toml" if folder.is_dir() else "no such folder"
            raise ProjectError(f"{folder}: {problem}; name a folder that presage init made")
        try:
            features = read_custom_features(folder)
        except FeatureSetError as error:
            raise ProjectError(str(error)) from error
        return cls(folder=folder, features=features, training=read_training_file(folder / "training.toml"))

    @property
    def mapping(self) -> Path | None:
        """The mapping's file; None if the project has none."""
        path = self.folder / "mapping.toml"
        return path if path.is_file() else None

    @property
    def log_format(self) -> LogFormat | None:
        """The format of the log that ``training.toml`` names; raises ProjectError if it is unknown."""
        name = self.training.get("format")
        try:
            return None if name is None else LogFormat(name)
        except ValueError as error:
            raise ProjectError(
                f"{self.folder / 'training.toml'}: format: expected one of {', '.join(LogFormat)}, got {name!r}"
            ) from error


def log_source(
    project: Project | None, log_format: LogFormat | None, mapping: Path | None
) -> tuple[LogFormat | None, Path | None]:
    """Return the format or the mapping of a log: the given one, or else the project's; its format goes before its mapping.

    Raises:
        ProjectError: The project names an unknown format.
    """
    if log_format is not None or mapping is not None or project is None:
        return log_format, mapping
    own_format = project.log_format
    return own_format, project.mapping if own_format is None else None


def choose_features(project: Project | None, features: str | None, time_zone: str | None) -> FeatureSet:
    """Return the feature set to train on: the named one, or else the project's, or else ``conversion``.

    Args:
        project: The project, if there is one; its features can be named, too.
        features: As ``parse_feature_set`` reads it.
        time_zone: Of the set, instead of its own.

    Raises:
        DatasetError: There is no such set or feature.
        FeatureSetError: There is no such time zone.
    """
    custom = None if project is None else project.features
    default = "conversion" if custom is None else custom.feature_set.name
    chosen = parse_feature_set(features or default, custom)
    return chosen if time_zone is None else replace(chosen, time_zone=time_zone)
