"""A project's own features, read from its two files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from presage_featurizer.aggregates import Aggregates
from presage_featurizer.catalogue import Feature
from presage_featurizer.custom.declaration import Declaration, check_feature_name, read_declaration
from presage_featurizer.custom.python_features import read_python_features
from presage_featurizer.custom.reading import declared_features
from presage_featurizer.errors import FeatureSetError
from presage_featurizer.feature_set import FeatureSet

__all__ = ["DECLARATION_FILE", "PYTHON_FILE", "CustomFeatures", "read_custom_features"]

DECLARATION_FILE = "features.toml"
PYTHON_FILE = "features.py"

_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class CustomFeatures:
    """A project's own features, ready to fold and to compute; made by ``parse``, and pickled as its two texts."""

    declaration: str = field(repr=False)
    """The text of ``features.toml``."""
    source: str = field(default="", repr=False)
    """The text of ``features.py``; empty if there is none."""
    catalogue: Mapping[str, Feature] = field(init=False, repr=False, compare=False)
    """The features by name: the declared ones, then those in Python."""
    definitions: Mapping[str, str] = field(init=False, compare=False)
    """What determines each feature's value: the canonical definition of a declared one, the digest of one in Python."""
    in_python: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of those in Python, whose values have to be checked."""
    aggregates: Aggregates = field(init=False, repr=False, compare=False)
    """What the fold keeps for them."""
    feature_set: FeatureSet = field(init=False, repr=False, compare=False)
    """The project's set."""

    @classmethod
    def parse(cls, declaration: str, source: str = "") -> CustomFeatures:
        """Check the texts of ``features.toml`` and ``features.py``, and make the features that they define.

        Raises:
            FeatureSetError: Something in them cannot be used; the message names the key, or the line, and what is expected.
        """
        return cls(declaration, source)

    def __post_init__(self) -> None:
        read = read_declaration(self.declaration)
        declared = declared_features(read.declared.values())
        definitions = {name: each.definition for name, each in read.declared.items()}
        in_python, digests = read_python_features(self.source, declared, definitions)
        for name in in_python:
            check_feature_name(name, f"features.py: {name}")
            if name in declared:
                raise FeatureSetError(f"features.py: {name}: features.toml declares a feature of this name; rename one")
        object.__setattr__(self, "catalogue", {**declared, **in_python})
        object.__setattr__(self, "definitions", {**definitions, **digests})
        object.__setattr__(self, "in_python", frozenset(in_python))
        object.__setattr__(self, "aggregates", Aggregates(each.aggregate for each in read.declared.values()))
        object.__setattr__(self, "feature_set", self._make_feature_set(read))

    def _make_feature_set(self, read: Declaration) -> FeatureSet:
        names = (*read.extends, *self.catalogue)
        unknown = read.exclude.difference(names)
        if unknown:
            raise FeatureSetError(f"exclude: {sorted(unknown)} are not in the set; it has {list(names)}")
        return FeatureSet(
            name=read.name,
            features=tuple(name for name in names if name not in read.exclude),
            time_zone=read.time_zone,
            countries=read.countries,
            custom=self,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return CustomFeatures.parse, (self.declaration, self.source)


def read_custom_features(folder: Path) -> CustomFeatures:
    """Read a project's own features from its folder.

    Raises:
        FeatureSetError: A file is missing or cannot be used; the message names it.
    """
    try:
        declaration = _read(folder / DECLARATION_FILE)
        source = _read(folder / PYTHON_FILE) if (folder / PYTHON_FILE).exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise FeatureSetError(f"{folder}: {error}") from error
    try:
        return CustomFeatures.parse(declaration, source)
    except FeatureSetError as error:
        raise FeatureSetError(f"{folder}: {error}") from error


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise FeatureSetError(f"{path.parent}: {path.name}: expected at most {_MAX_BYTES >> 20} MiB")
    return content.decode("utf-8-sig")
