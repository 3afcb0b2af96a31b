"""Which versions of which models are served: decided by one process, and carried out by each that serves.

Nothing here needs ONNX Runtime: a supervisor decides, and loads no model.
"""

from __future__ import annotations

import msgspec

from presage_export.registry import Aliases

__all__ = ["Plan", "PlannedModel", "VerifiedVersion"]


class VerifiedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version that passed all checks."""

    version: str
    digest: str
    """Of its manifest's content, and thereby of all of its files."""
    ranks: bool
    """Whether it ranks items."""
    feature_set: str
    """The name of its feature set."""
    fingerprint: str
    """Of its feature set."""


class PlannedModel(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of one model that are loaded."""

    champion: VerifiedVersion
    challenger: VerifiedVersion | None = None
    shadow: VerifiedVersion | None = None
    prior: VerifiedVersion | None = None
    aliases: Aliases = Aliases()
    """Those in effect: without the versions that cannot be loaded."""

    @property
    def versions(self) -> dict[str, VerifiedVersion]:
        """The versions by their names, the champion first."""
        beside = {version.version: version for _, version in self.beside_champion}
        return {self.champion.version: self.champion, **beside}

    @property
    def beside_champion(self) -> list[tuple[str, VerifiedVersion]]:
        """The other versions and their roles."""
        named = {"challenger": self.challenger, "shadow": self.shadow, "prior": self.prior}
        return [(role, version) for role, version in named.items() if version is not None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is served."""

    models: dict[str, PlannedModel] = {}
    """By name."""
    problems: dict[str, dict[str, str]] = {}
    """What cannot be served and why, by name and version; a file of aliases has its own name in place of a version."""
