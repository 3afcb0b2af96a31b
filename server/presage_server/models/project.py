"""A project's own features, read at start."""

from __future__ import annotations

from pathlib import Path

from presage_featurizer import FeatureSetError
from presage_featurizer.custom import CustomFeatures, read_custom_features
from presage_server.errors import SettingsError

__all__ = ["read_project"]


def read_project(folder: str) -> CustomFeatures | None:
    """Read the features of a project; None if no folder is given.

    Raises:
        SettingsError: The folder cannot be read, or a feature in it is not valid; the message names the feature.
    """
    if not folder:
        return None
    if not Path(folder, "features.toml").is_file():
        raise SettingsError(f"project: {folder}: holds no features.toml; name a folder that presage init made")
    try:
        return read_custom_features(Path(folder))
    except FeatureSetError as error:
        raise SettingsError(f"project: {error}") from error
