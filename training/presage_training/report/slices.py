"""Slices of rows by visitor and session."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import Device
from presage_training.datasets.dataset import Dataset

__all__ = ["slices_of"]

_MOST_COUNTRIES = 5
_PREFIXES = (1, 2, 4, 8, 16)


def slices_of(dataset: Dataset) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Slice rows by visitor, device, country and session prefix.

    Yields:
        The property, its value, and the mask of the rows; each has at least one row.
    """
    slices = [
        ("visitor", "known", dataset.known),
        ("visitor", "anonymous", ~dataset.known),
        *(("device", device.name.lower(), dataset.devices == device) for device in Device),
        *(("country", name, mask) for name, mask in _countries(dataset)),
        *(("session prefix", name, mask) for name, mask in _prefixes(dataset)),
    ]
    return ((by, name, mask) for by, name, mask in slices if mask.any())


def _countries(dataset: Dataset) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    codes, counts = np.unique(dataset.countries, return_counts=True)
    largest = codes[np.argsort(-counts, kind="stable")][:_MOST_COUNTRIES]
    for code in largest:
        yield str(code) or "unknown", dataset.countries == code
    yield "others", ~np.isin(dataset.countries, largest)


def _prefixes(dataset: Dataset) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    lengths = dataset.prefix_lengths
    yield "no session", lengths == 0
    for low, high in pairwise(_PREFIXES):
        name = f"{low}-{high - 1} events" if high - 1 > low else f"{low} event"
        yield name, (lengths >= low) & (lengths < high)
    yield f"{_PREFIXES[-1]} events or more", lengths >= _PREFIXES[-1]
