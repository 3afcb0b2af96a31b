"""Feature sets: ordered selections from the catalogue, with the fingerprint that ties a model to them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import UNSET, UnsetType

import presage_featurizer.features  # noqa: F401 - fills the catalogue
from presage_featurizer.aggregates import NO_AGGREGATES, Aggregates
from presage_featurizer.catalogue import CATALOGUE, FeatureFunction
from presage_featurizer.codegen import RowWriter, row_writer, with_named_failures
from presage_featurizer.errors import FeatureSetError
from presage_featurizer.fold import FOLD_VERSION
from presage_featurizer.own_features import OwnFeatures, check_own_features
from presage_featurizer.state import ALL_PARTS, StatePart

__all__ = ["FeatureSet", "FeatureSetDefinition"]

_COUNTRY_CODE = re.compile("[A-Z]{2}")


class FeatureSetDefinition(Protocol):
    """What a model's bundle records of its feature set."""

    @property
    def name(self) -> str: ...
    @property
    def features(self) -> tuple[str, ...]: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def countries(self) -> tuple[str, ...]: ...
    @property
    def custom(self) -> Mapping[str, str] | UnsetType: ...
    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSet:
    """An ordered selection of features, with everything that determines their values.

    Raises:
        FeatureSetError: A field names something that does not exist; the message says which.
    """

    name: str
    """The name that callers use."""
    features: tuple[str, ...]
    """Names from the catalogue, or of the project's own features; their order is the order of the vector."""
    time_zone: str = "UTC"
    """The shop's IANA time zone, for the calendar features."""
    countries: tuple[str, ...] = ()
    """The vocabulary of country_encoded: ISO 3166-1 alpha-2 codes; the first is 1."""
    custom: OwnFeatures | None = field(default=None, repr=False, compare=False)
    """The project's own features, if the set may have any."""
    definitions: tuple[tuple[str, str], ...] = field(init=False, repr=False)
    """The name and definition of each of the features that are the project's own."""
    functions: tuple[FeatureFunction, ...] = field(init=False, repr=False, compare=False)
    """The features' functions, in order."""
    country_indices: dict[str, int] = field(init=False, repr=False, compare=False)
    """The position of each country in the vocabulary, from 1."""
    needs: frozenset[StatePart] = field(init=False, repr=False, compare=False)
    """The parts of a state that the features need."""
    _write_rows: RowWriter | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = CATALOGUE if self.custom is None else {**CATALOGUE, **self.custom.catalogue}
        unknown = [name for name in self.features if name not in known]
        if unknown:
            raise FeatureSetError(f"features: {unknown} are not in the catalogue; it has {sorted(known)}")
        if not self.features or len(set(self.features)) != len(self.features):
            raise FeatureSetError(f"features: expected at least one name, and each once, got {list(self.features)}")
        malformed = [code for code in self.countries if not _COUNTRY_CODE.fullmatch(code)]
        if malformed:
            raise FeatureSetError(f"countries: expected two capital letters each, such as GB, got {malformed}")
        if len(set(self.countries)) != len(self.countries):
            raise FeatureSetError(f"countries: expected each code once, got {list(self.countries)}")
        if "country_encoded" in self.features and not self.countries:
            raise FeatureSetError("countries: expected a vocabulary for country_encoded, got none")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise FeatureSetError(
                f"time_zone: expected an IANA name such as Europe/Berlin, got {self.time_zone!r}"
            ) from error
        own = {} if self.custom is None else self.custom.definitions
        definitions = tuple((name, own[name]) for name in self.features if name in own)
        object.__setattr__(self, "definitions", definitions)
        object.__setattr__(self, "functions", tuple(known[name].compute for name in self.features))
        scopes = {known[name].scope for name in self.features}
        whole = any(
            known[name].scope == "habits" for name, _ in definitions
        )  # a Python feature that reads the whole state
        object.__setattr__(self, "needs", ALL_PARTS if whole else frozenset(ALL_PARTS & scopes))
        object.__setattr__(self, "country_indices", {code: place for place, code in enumerate(self.countries, start=1)})
        object.__setattr__(self, "_write_rows", None)

    def __reduce__(self) -> tuple[object, ...]:
        # Generated code cannot be pickled; it is generated again when needed.
        return _feature_set, (self.name, self.features, self.time_zone, self.countries, self.custom)

    @property
    def aggregates(self) -> Aggregates:
        """What the fold has to keep for the project's own features."""
        return NO_AGGREGATES if self.custom is None else self.custom.aggregates

    @property
    def write_rows(self) -> RowWriter:
        """The function that computes all features of any number of visitors; generated on first use, in some 10 ms."""
        if self._write_rows is None:
            object.__setattr__(self, "_write_rows", self._make_row_writer())
        assert self._write_rows is not None
        return self._write_rows

    def _make_row_writer(self) -> RowWriter:
        in_python = frozenset() if self.custom is None else self.custom.in_python
        doubtful = {
            name: function for name, function in zip(self.features, self.functions, strict=True) if name in in_python
        }
        if not doubtful:
            return row_writer(self.functions)
        return with_named_failures(row_writer(self.functions, frozenset(doubtful.values())), doubtful)

    @classmethod
    def restore(cls, definition: FeatureSetDefinition, custom: OwnFeatures | None = None) -> Self:
        """Rebuild the set that a model was trained with, ready to compute.

        Args:
            definition: What the model's bundle records.
            custom: The features of the project that is served, if one is.

        Raises:
            FeatureSetError: This release, or the project, lacks one of the features, or computes something else by that definition.
        """
        own = {} if isinstance(definition.custom, UnsetType) else definition.custom
        check_own_features(own, custom)
        feature_set = cls(
            name=definition.name,
            features=definition.features,
            time_zone=definition.time_zone,
            countries=definition.countries,
            custom=custom if own else None,
        )
        if feature_set.fingerprint != definition.fingerprint:
            raise FeatureSetError(
                f"fingerprint: expected {definition.fingerprint}, got {feature_set.fingerprint}: "
                "the features have another meaning in this release; train the model again"
            )
        feature_set.write_rows  # noqa: B018 - generated now, so that the first score does not wait for it
        return feature_set

    @property
    def definition(self) -> dict[str, Any]:
        """What a model's bundle records of its feature set, as ``restore`` takes it."""
        return {
            "name": self.name,
            "features": self.features,
            "time_zone": self.time_zone,
            "countries": self.countries,
            "custom": dict(self.definitions) or UNSET,
            "fingerprint": self.fingerprint,
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that determines a vector: fold, features and their versions, time zone, vocabulary."""
        own = dict(self.definitions)
        definition = {
            "fold": FOLD_VERSION,
            "features": [[name, own[name] if name in own else CATALOGUE[name].version] for name in self.features],
            "time_zone": self.time_zone,
            "countries": self.countries,
        }
        return hashlib.sha256(json.dumps(definition, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _feature_set(
    name: str, features: tuple[str, ...], time_zone: str, countries: tuple[str, ...], custom: OwnFeatures | None
) -> FeatureSet:
    return FeatureSet(name=name, features=features, time_zone=time_zone, countries=countries, custom=custom)
