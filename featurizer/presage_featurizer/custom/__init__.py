"""A project's own features: declared in ``features.toml``, or written in Python in ``features.py``.

Here: how the two files are read and checked, and become features of a set. What the fold keeps for them belongs to
``presage_featurizer.aggregates``.
"""

from __future__ import annotations

from presage_featurizer.aggregates import NO_AGGREGATES, Aggregates
from presage_featurizer.custom.custom_features import CustomFeatures, read_custom_features
from presage_featurizer.custom.decorator import feature

__all__ = ["NO_AGGREGATES", "Aggregates", "CustomFeatures", "feature", "read_custom_features"]
