"""Bundles that lie in a registry of MLflow. Only ``presage models pull`` imports it, in a process of its own."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from presage_server.errors import ModelError

__all__ = ["MlflowReference", "download_bundle", "parse_reference"]

_REFERENCE = re.compile(r"mlflow:([^/@:]{1,250})@([A-Za-z0-9_-]{1,255})")
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_IF_UNSET = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""MLflow's own number of repeats takes minutes to find that there is no server."""


class MlflowReference(NamedTuple):
    """A version of a registered model, by its alias."""

    name: str
    alias: str


def parse_reference(text: str) -> MlflowReference:
    """Read a reference such as mlflow:conversion@champion; raises ModelError."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ModelError(f"expected mlflow:NAME@ALIAS, as in mlflow:conversion@champion, got {text[:100]!r}")
    return MlflowReference(*match.groups())


def download_bundle(reference: MlflowReference, folder: Path, tracking_uri: str) -> tuple[Path, str]:
    """Download what is registered under an alias. MLflow's reports of usage are off.

    Args:
        reference: Which version.
        folder: Where to put it.
        tracking_uri: The server, http:// or https://; empty for MLFLOW_TRACKING_URI.

    Returns:
        The folder with its files, and the version's number in MLflow.

    Raises:
        ModelError: MLflow is not installed, there is no such version, or it cannot be downloaded.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri.startswith(("http://", "https://")):
        # A URI may hold a password: never shown.
        raise ModelError(
            "tracking_uri: expected http:// or https://; name MLflow's server with --tracking-uri or MLFLOW_TRACKING_URI"
        )
    os.environ.update(_QUIET)
    for name, value in _IF_UNSET.items():
        os.environ.setdefault(name, value)
    try:
        mlflow: Any = import_module("mlflow")
    except ModuleNotFoundError as error:
        raise ModelError("MLflow is not installed; install it with pip install 'presage-scoring[mlflow]'") from error
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    named = f"{reference.name}@{reference.alias}"
    try:
        # By its number from here on: the alias may move meanwhile.
        version = str(mlflow.MlflowClient().get_model_version_by_alias(*reference).version)
        artifacts = import_module("mlflow.artifacts")
        downloaded = artifacts.download_artifacts(
            artifact_uri=f"models:/{reference.name}/{version}", dst_path=str(folder)
        )
    except (mlflow.exceptions.MlflowException, OSError) as error:
        raise ModelError(f"{named} cannot be downloaded from MLflow: {' '.join(str(error).split())[:500]}") from error
    return Path(downloaded), version
