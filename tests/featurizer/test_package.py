from __future__ import annotations

from types import ModuleType

import presage_featurizer


def test_all_names_the_public_ones_and_no_others():
    public = {
        name
        for name, value in vars(presage_featurizer).items()
        if not name.startswith("_") and name != "annotations" and not isinstance(value, ModuleType)
    }
    assert set(presage_featurizer.__all__) == public


def test_all_is_sorted_constants_first_then_classes_then_functions():
    def place(name):
        return (not name.isupper(), not name[0].isupper(), name)

    assert presage_featurizer.__all__ == sorted(presage_featurizer.__all__, key=place)


def test_everything_public_says_what_it_is():
    undocumented = [
        name
        for name in presage_featurizer.__all__
        if not name.isupper() and not (getattr(presage_featurizer, name).__doc__ or "").strip()
    ]
    assert undocumented == []
