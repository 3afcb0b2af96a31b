"""Whose bundles are served, where a server requires signatures."""

from __future__ import annotations

from pathlib import Path

from presage_export.bundle import BundleError, SigningKeyError, check_signature, read_trusted_keys
from presage_server.errors import ModelError

__all__ = ["signed_digest"]


def signed_digest(directory: Path, key_file: str) -> str:
    """Return the digest of what a trusted key has signed of a bundle; empty if no signature is required.

    Args:
        directory: The bundle, <name>/<version>.
        key_file: The file of trusted keys, read now: keys are added and removed while servers run. Empty: none is required.

    Raises:
        ModelError: The bundle is not signed by one of them, or the file cannot be used.
    """
    if not key_file:
        return ""
    try:
        return check_signature(directory, read_trusted_keys(Path(key_file)))
    except SigningKeyError as error:
        raise ModelError(f"require_signature: {error}") from error
    except BundleError as error:
        raise ModelError(str(error)) from error
