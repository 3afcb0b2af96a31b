"""One function for all features of a set, generated from the source of the feature functions.

The feature functions stay the only definition of each feature; what cannot be inlined is called. Here belongs what reads and writes
code; what the features mean belongs to ``presage_featurizer.features``.
"""

from __future__ import annotations

from presage_featurizer.codegen.failures import finite_value, with_named_failures
from presage_featurizer.codegen.row_writer import RowWriter, row_writer
from presage_featurizer.codegen.sources import load_functions

__all__ = ["RowWriter", "finite_value", "load_functions", "row_writer", "with_named_failures"]
