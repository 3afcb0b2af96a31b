"""Which feature it was, when writing a row fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from presage_featurizer.catalogue import FeatureFunction
from presage_featurizer.codegen.row_writer import MAX_FLOAT32, RowWriter
from presage_featurizer.errors import FeatureValueError
from presage_featurizer.state import CoreState
from presage_featurizer.view import View

__all__ = ["finite_value", "with_named_failures"]


def with_named_failures(write_rows: RowWriter, functions: Mapping[str, FeatureFunction]) -> RowWriter:
    """Wrap a row writer, so that its failures name the feature.

    Args:
        write_rows: Writes rows with these features, and others.
        functions: The features that may fail, by name.
    """

    def write(
        states: Sequence[CoreState | None],
        nows_unix_micros: Sequence[int],
        session_ids: Sequence[str],
        time_zone: str,
        countries: Mapping[str, int],
    ) -> bytearray:
        try:
            return write_rows(states, nows_unix_micros, session_ids, time_zone, countries)
        except Exception:
            for state, now, session_id in zip(states, nows_unix_micros, session_ids, strict=True):
                view = View(state, now, session_id, time_zone, dict(countries))
                for name, function in functions.items():
                    finite_value(name, function, view)
            raise

    return write


def finite_value(name: str, function: FeatureFunction, view: View) -> float:
    """Compute a feature.

    Raises:
        FeatureValueError: Its function raises, or gives no finite number; the message names it.
    """
    try:
        value: object = function(view)
    except Exception as error:
        raise FeatureValueError(f"feature {name!r} raises {type(error).__name__}: {error}") from error
    if not isinstance(value, int | float) or not -MAX_FLOAT32 <= value <= MAX_FLOAT32:
        raise FeatureValueError(f"feature {name!r} is {value}; a feature must be a finite number")
    return value
