"""The rules of placements, read at start."""

from __future__ import annotations

from pathlib import Path

from presage_featurizer.errors import PlacementError
from presage_featurizer.ranking.placements import Placements
from presage_server.errors import SettingsError

__all__ = ["read_placements"]


def read_placements(path: str) -> Placements:
    """Read a file of placements; what holds by default if none is given.

    Raises:
        SettingsError: The file cannot be read, or something in it is not valid; the message names the file and the key.
    """
    if not path:
        return Placements.default()
    try:
        return Placements.parse(Path(path).read_text(encoding="utf-8"), path)
    except OSError as error:
        raise SettingsError(f"placements: {path}: cannot be read: {error.strerror}; name a TOML file") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"placements: {path}: expected UTF-8 text: {error}") from error
    except PlacementError as error:
        raise SettingsError(f"placements: {error}") from error
