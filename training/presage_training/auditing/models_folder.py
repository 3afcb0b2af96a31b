"""The bundles of a folder that servers load new versions from while they run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from presage_featurizer.custom import CustomFeatures
from presage_training.audit import Models

__all__ = ["ModelsFolder"]


class ModelsFolder:
    """The models of a folder as of now.

    Args:
        directory: The folder, NAME/VERSION/; None: only the feature sets of this release and of the project.
        custom: The project's own features.
        warn: Called with one line for each bundle that cannot be read.
    """

    def __init__(self, directory: Path | None, custom: CustomFeatures | None, *, warn: Callable[[str], None]) -> None:
        self._directory = directory
        self._custom = custom
        self._warn = warn
        self._manifests: dict[Path, int] | None = None
        self._models = Models({}, custom)

    def read(self) -> Models:
        """Return the models; reads the folder again if a manifest was added, changed or removed since.

        Bundles that are gone stay known: vectors that they scored may be still to come.
        """
        if self._directory is None:
            return self._models
        found = {path: path.stat().st_mtime_ns for path in self._directory.glob("*/*/manifest.json")}
        if found != self._manifests:
            self._manifests = found
            self._models = Models.read(self._directory, warn=self._warn, custom=self._custom, known=self._models)
        return self._models
