"""Which versions of a model serve: one small file beside them, replaced whole."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import msgspec

from presage_export.errors import AliasesError
from presage_export.registry.folders import is_version

__all__ = [
    "ALIASES_FILE",
    "Aliases",
    "RollbackRules",
    "read_aliases",
]

ALIASES_FILE: Final = "aliases.json"
"""The file's name, beside the versions."""

_MAX_REVISION = 2**63 - 2
"""The next one has to fit the contract's int64."""


def _require(holds: bool, field: str, expected: str, got: object) -> None:  # noqa: FBT001 - a condition
    if not holds:
        raise AliasesError(f"{field}: expected {expected}, got {got!r:.64}")


class RollbackRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a challenger is rolled back by itself; all rules compare it with the champion in the same window."""

    window_seconds: float = 10.0
    """The length of the window."""
    min_scores: int = 200
    """How many scores of the challenger a window needs before anything is decided."""
    max_error_share: float = 0.01
    """The largest share of failed scores."""
    max_latency_ratio: float = 3.0
    """How many times the champion's 99th percentile a run of the challenger may take; one in a hundred may take longer."""
    max_default_share_difference: float = 0.1
    """The largest difference between the shares of features that are at their defaults, as both see the same visitors."""
    max_score_shift: float = 0.1
    """The largest difference between the mean scores of the same visitors, in units of scores."""
    paired_alpha: float = 0.05
    """The error level of the sequence of tests of the paired log loss, over all of its looks."""

    def __post_init__(self) -> None:
        for name in ("window_seconds", "max_latency_ratio", "max_score_shift"):
            _require(0.0 < getattr(self, name) < math.inf, f"rollback.{name}", "a number above 0", getattr(self, name))
        for name in ("max_error_share", "max_default_share_difference"):
            _require(0.0 <= getattr(self, name) <= 1.0, f"rollback.{name}", "0 to 1", getattr(self, name))
        _require(0.0 < self.paired_alpha < 1.0, "rollback.paired_alpha", "above 0 and below 1", self.paired_alpha)
        _require(self.min_scores >= 1, "rollback.min_scores", "1 or more", self.min_scores)


class Aliases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which versions of one model serve which visitors. What ``presage.v1.Aliases`` says of each field holds here."""

    format_version: int = 1
    champion: str = ""
    """The version that serves all visitors that no other version serves; empty: the highest one that can be served."""
    challenger: str = ""
    """The version that is tried on a share of the visitors; empty: none."""
    challenger_share: float = 0.0
    """The share of visitors that it serves."""
    shadow: str = ""
    """The version that scores the same vectors and whose scores are only logged; empty: none."""
    prior: str = ""
    """The version that serves the visitors that are held out; empty: the champion serves them, too."""
    holdout_share: float = 0.0
    """The share of visitors that are held out."""
    salt: str = ""
    """Hashed together with a visitor's id to choose the arm."""
    pairs_share: float = 0.1
    """The share of scores that are logged together with those of the other versions."""
    rollback: RollbackRules = RollbackRules()
    """When a challenger is rolled back by itself."""
    revision: int = 0
    """Grows by one with each change; 0: there is no file."""

    def __post_init__(self) -> None:
        _require(self.format_version == 1, "format_version", "1; a newer release wrote this file", self.format_version)
        for name in ("champion", "challenger", "shadow", "prior"):
            version = getattr(self, name)
            _require(not version or is_version(version), name, "a version such as 3 or 3.1", version)
        for name in ("challenger_share", "holdout_share", "pairs_share"):
            _require(0.0 <= getattr(self, name) <= 1.0, name, "0 to 1", getattr(self, name))
        _require(0 <= self.revision <= _MAX_REVISION, "revision", f"0 to {_MAX_REVISION}", self.revision)
        _require(
            bool(self.champion) or not self.versions, "champion", "a version, where others are named beside it", ""
        )
        _require(
            not self.challenger or self.challenger != self.champion, "challenger", "not the champion", self.challenger
        )
        _require(not self.shadow or self.shadow != self.champion, "shadow", "not the champion", self.shadow)
        _require(
            bool(self.challenger) or not self.challenger_share,
            "challenger_share",
            "0 without a challenger",
            self.challenger_share,
        )

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that are named, each once."""
        return tuple(dict.fromkeys(filter(None, (self.champion, self.challenger, self.shadow, self.prior))))


def read_aliases(folder: Path) -> Aliases:
    """Read the aliases of a model, from its folder; the defaults if it has none.

    Raises:
        AliasesError: The file cannot be read, or something in it is not valid.
    """
    path = folder / ALIASES_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Aliases)
    except FileNotFoundError:
        return Aliases()
    except OSError as error:
        raise AliasesError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, AliasesError) as error:
        raise AliasesError(
            f"{path}: is not valid: {error}; presage models rollback puts the last valid ones back"
        ) from error
