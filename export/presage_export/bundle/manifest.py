"""The description of a model in its bundle: ``manifest.json``."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from presage_export.bundle.calibration import Calibration
from presage_export.bundle.coverage import GoldenCoverage
from presage_export.bundle.link import Link
from presage_export.bundle.ranking_spec import RankingSpec

__all__ = [
    "FIRST_FORMAT",
    "FORMAT_VERSION",
    "FeatureSetSpec",
    "Manifest",
    "decode_manifest",
    "encode_manifest",
    "seal_manifest",
]

FORMAT_VERSION: Final = 3
"""The version of the bundle format that this package writes.

Earlier ones are read. 2 has no importances and no optional files; 1 has no golden scores, coverage or digest of the manifest.
"""

FIRST_FORMAT: Final = 1
"""The oldest version that is read."""
_SEALED_FORMAT: Final = 2
"""The first one with golden scores and a digest of the manifest."""

_SUM_ERROR = 1e-6
"""Importances are written with nine decimals."""

MAX_TREES = 100_000
"""Bounds the tolerance of the golden rows, which grows with the number of trees: a wrong number must not permit any difference."""

_MAX_INTEGER = 2**63 - 1

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FeatureSetSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The features that the model was trained on. A server that cannot compute exactly these must not serve it."""

    name: str
    """Name of the feature set, for example ``conversion``."""
    features: tuple[str, ...]
    """Feature names in the order of the model's columns."""
    time_zone: str
    """IANA name of the shop's time zone, in which hours and weekdays are counted."""
    countries: tuple[str, ...]
    """Vocabulary of the encoded country, ISO 3166-1 alpha-2; may be empty."""
    fingerprint: str
    """SHA-256 over the definition of the set, 64 lower-case hexadecimal digits."""
    custom: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """What the project's own features are, by name; left out of the file if there are none."""

    def __post_init__(self) -> None:
        _require_name("feature_set.name", self.name)
        if not self.features or not all(self.features):
            raise ValueError("feature_set.features: expected at least one name and no empty name")
        if len(set(self.features)) != len(self.features):
            raise ValueError("feature_set.features: a name occurs twice")
        _require_sha256("feature_set.fingerprint", self.fingerprint)
        if self.custom is not msgspec.UNSET and not (self.custom and self.custom.keys() <= set(self.features)):
            raise ValueError(
                "feature_set.custom: expected definitions of some of the features, or the field to be left out"
            )


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The description of a model. Contains no time and no host name: the same model gives the same bytes."""

    format_version: int = FORMAT_VERSION
    """Version of the bundle format."""
    name: str
    """The model's name in calls: letters, digits, ``.``, ``_``, ``-``, at most 64."""
    version: str
    """The model's version, same alphabet as the name."""
    feature_set: FeatureSetSpec
    """The model's input."""
    link: Link
    """How a margin becomes a prediction."""
    calibration: Calibration | None = None
    """Replaces the link if not null: how a margin becomes a probability."""
    objective: str
    """The training objective, named as by the training library."""
    trees: int
    """Trees in the sum, 0 for a linear model. The tolerance of the golden rows grows with it."""
    metrics: dict[str, float] = {}
    """Quality on held-out data, for example ``{"auc": 0.81}``; finite."""
    data: dict[str, str | int | float] = {}
    """What the model was trained on: source, rows, seed and the like."""
    libraries: dict[str, str] = {}
    """Versions of the libraries that trained and exported the model."""
    files: dict[str, str] = {}
    """SHA-256 of every other file of the bundle, by file name. Filled in by ``write_bundle``."""
    golden: GoldenCoverage = GoldenCoverage(leaves=0.0, thresholds=0.0)
    """The share of the model that its golden rows exercise. Filled in by ``write_bundle``."""
    ranking: RankingSpec | msgspec.UnsetType = msgspec.UNSET
    """What only ranking models have; left out of the file for others."""
    importances: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    """Each feature's share of the model, 0 to 1, all adding up to 1, as ``read_importances`` defines it; left out of the file where
    there are none, as of older releases."""
    manifest_sha256: str = ""
    """SHA-256 of this manifest as written with this field empty. Filled in by ``write_bundle``."""

    def __post_init__(self) -> None:
        if not FIRST_FORMAT <= self.format_version <= FORMAT_VERSION:
            raise ValueError(f"format_version: expected {FIRST_FORMAT} to {FORMAT_VERSION}, got {self.format_version}")
        _require_name("name", self.name)
        _require_name("version", self.version)
        if not 0 <= self.trees <= MAX_TREES:
            raise ValueError(f"trees: expected 0 to {MAX_TREES}, got {self.trees}")
        # JSON has no infinity and no NaN, and msgspec would write null.
        _require_finite("metrics", self.metrics.items())
        _require_finite("data", ((key, value) for key, value in self.data.items() if isinstance(value, float)))
        for key, value in self.data.items():
            # A larger one cannot be written again, and the digest is over what is written.
            if isinstance(value, int) and abs(value) > _MAX_INTEGER:
                raise ValueError(f"data[{key!r}]: expected an integer of at most 64 bits")
        for file_name, digest in self.files.items():
            _require_sha256(f"files[{file_name!r}]", digest)
        if self.manifest_sha256:
            _require_sha256("manifest_sha256", self.manifest_sha256)
        if self.importances is not msgspec.UNSET:
            self._check_importances(self.importances)
        self._check_format()

    @property
    def is_sealed(self) -> bool:
        """Whether the format has golden scores, coverage and a digest of the manifest."""
        return self.format_version >= _SEALED_FORMAT

    @property
    def shares(self) -> dict[str, float]:
        """Each feature's share of the model, in the order of the feature set; empty if the bundle does not state any."""
        stated = self.importances
        if stated is msgspec.UNSET:
            # Before format 3, only ranking models had them.
            stated = {} if self.ranking is msgspec.UNSET else self.ranking.importances
        return {name: stated[name] for name in self.feature_set.features if name in stated}

    def _check_importances(self, importances: dict[str, float]) -> None:
        if importances.keys() != set(self.feature_set.features):
            raise ValueError("importances: expected a share for each feature and for nothing else")
        if not all(0.0 <= share <= 1.0 for share in importances.values()):
            raise ValueError("importances: expected shares of 0 to 1")
        if abs(math.fsum(importances.values()) - 1.0) > _SUM_ERROR:
            raise ValueError(f"importances: expected a sum of 1, got {math.fsum(importances.values())}")

    def _check_format(self) -> None:
        """Refuse what a format did not have, so that no file passes as one of a format with fewer checks."""
        absent = {"importances": self.importances is not msgspec.UNSET} if self.format_version < FORMAT_VERSION else {}
        if not self.is_sealed:
            absent["manifest_sha256"] = bool(self.manifest_sha256)
            absent["golden"] = self.golden != GoldenCoverage(leaves=0.0, thresholds=0.0)
        for field, is_there in absent.items():
            if is_there:
                raise ValueError(f"{field}: expected none in format {self.format_version}")


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as indented JSON with sorted keys and a final newline; equal manifests give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"


def seal_manifest(manifest: Manifest) -> Manifest:
    """Fill in the manifest's own digest."""
    unsealed = msgspec.structs.replace(manifest, manifest_sha256="")
    digest = hashlib.sha256(encode_manifest(unsealed)).hexdigest()
    return msgspec.structs.replace(manifest, manifest_sha256=digest)


def decode_manifest(text: bytes) -> Manifest:
    """Decode and validate a manifest, its digest included.

    Raises:
        ValueError: The text is not JSON, its format or a field is unknown, a field is missing, a value is out of bounds, or it was
            edited after it was sealed.
    """
    try:
        # The version first: another format should be reported as such, and not as an unknown field.
        found = msgspec.json.decode(text, type=_Versioned).format_version
        if FIRST_FORMAT <= found <= FORMAT_VERSION:
            manifest = msgspec.json.decode(text, type=Manifest)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not FIRST_FORMAT <= found <= FORMAT_VERSION:
        raise ValueError(
            f"format_version: expected {FIRST_FORMAT} to {FORMAT_VERSION}, got {found}; a newer release may read it"
        )
    if not manifest.is_sealed:
        return manifest
    if (expected := seal_manifest(manifest).manifest_sha256) != manifest.manifest_sha256:
        raise ValueError(f"manifest_sha256: expected {expected}, got {manifest.manifest_sha256!r}: it was altered")
    return manifest


class _Versioned(msgspec.Struct, frozen=True):
    """The field that every format has, present and future."""

    format_version: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


def _require_name(field: str, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{field}: expected 1 to 64 letters, digits, '.', '_' or '-', got {value!r}")


def _require_sha256(field: str, value: str) -> None:
    if not _SHA256.fullmatch(value):
        raise ValueError(f"{field}: expected 64 lower-case hexadecimal digits, got {value!r}")


def _require_finite(field: str, items: Iterable[tuple[str, float]]) -> None:
    for key, value in items:
        if not math.isfinite(value):
            raise ValueError(f"{field}[{key!r}]: expected a finite number, got {value}")
