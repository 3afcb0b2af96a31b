"""Which models serve the calls that name none, kept in their folder, so that new ones do not change it at the next start."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from presage_server.errors import ModelError

__all__ = ["DEFAULTS_FILE", "KeptDefaults", "read_kept_defaults", "write_kept_defaults"]

_logger = logging.getLogger(__name__)

DEFAULTS_FILE: Final = "defaults.json"
"""The file's name, beside the folders of models."""


class KeptDefaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The names; empty where the usual rule holds."""

    default_model: str = ""
    default_ranking_model: str = ""


def read_kept_defaults(directory: Path) -> KeptDefaults:
    """Read which models are the defaults of a folder; raises ModelError if its file cannot be read."""
    path = directory / DEFAULTS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeptDefaults)
    except (FileNotFoundError, NotADirectoryError):
        return KeptDefaults()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path}: is not valid: {error}; correct it, or remove it and name the models with --default-model and "
            "--default-ranking-model"
        ) from error


def write_kept_defaults(directory: Path, kept: KeptDefaults) -> None:
    """Write which models are the defaults of a folder; where it cannot be written, the log says what the next start needs."""
    path = directory / DEFAULTS_FILE
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    flags = " ".join(
        f"--{name.replace('_', '-')} {value}" for name, value in msgspec.structs.asdict(kept).items() if value
    )
    try:
        staged.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
        staged.replace(path)
    except OSError as error:
        _logger.warning(
            "the folder has several models now, and %s cannot be written (%s): the next start needs %s",
            path,
            error.strerror,
            flags,
        )
    else:
        _logger.info(
            "the folder has several models now: %s keeps those that serve calls that name none: %s", path, flags
        )
