"""What a feature set needs of a project's own features; ``presage_featurizer.custom`` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from presage_featurizer.aggregates import Aggregates
from presage_featurizer.catalogue import Feature
from presage_featurizer.errors import FeatureSetError

__all__ = ["OwnFeatures", "check_own_features"]


class OwnFeatures(Protocol):
    """A project's own features; see ``presage_featurizer.custom``."""

    @property
    def catalogue(self) -> Mapping[str, Feature]: ...
    @property
    def definitions(self) -> Mapping[str, str]: ...
    @property
    def in_python(self) -> frozenset[str]: ...
    @property
    def aggregates(self) -> Aggregates: ...


def check_own_features(definitions: Mapping[str, str], custom: OwnFeatures | None) -> None:
    """Check that a project has the features of a model, each with the definition that it was trained with."""
    for name, definition in definitions.items():
        if custom is None:
            raise FeatureSetError(
                f"custom: {name!r} is a project's own feature; name the project's folder with --project or PRESAGE_PROJECT"
            )
        if name not in custom.definitions:
            raise FeatureSetError(
                f"custom: the project has no feature {name!r}; name the project that the model was trained with (--project)"
            )
        if custom.definitions[name] != definition:
            raise FeatureSetError(
                f"custom: the project defines {name!r} as {custom.definitions[name]}, the model was trained with {definition}; "
                "train it again, or name the project that it was trained with (--project)"
            )
