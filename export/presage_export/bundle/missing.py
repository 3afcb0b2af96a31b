"""What a bundle lacks because of its age or its kind: said, and never guessed."""

from __future__ import annotations

from msgspec import UNSET

from presage_export.bundle.manifest import FORMAT_VERSION, Manifest

__all__ = ["missing_parts"]

_EFFECTS = (
    ("explain.npz", "scores of its trees cannot be explained"),
    ("baseline.npz", "the drift of what it serves cannot be measured"),
)


def missing_parts(manifest: Manifest) -> tuple[str, ...]:
    """Return what a bundle lacks, each part with the reason."""
    missing = []
    if not manifest.shares:
        missing.append(
            "importances: it was trained by a release that did not write them"
            if manifest.format_version < FORMAT_VERSION
            else "importances: the trained model did not say how much each feature matters"
        )
    if manifest.format_version < FORMAT_VERSION and manifest.ranking is UNSET:
        missing += [
            f"{file_name}: it was trained by a release that did not write it, so {effect}"
            for file_name, effect in _EFFECTS
        ]
    if not manifest.is_sealed:
        missing.append(
            "golden scores, coverage and the manifest's digest: it was written by a release that did not have them, so less of it "
            "is checked"
        )
    return tuple(missing)
