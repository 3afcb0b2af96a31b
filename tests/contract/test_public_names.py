"""``__all__`` of every module: what it names is there, and what is public is named."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

PACKAGES = ("presage_client", "presage_export", "presage_featurizer", "presage_server", "presage_training")


def modules() -> list[str]:
    names = []
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        names += [package, *(found.name for found in pkgutil.walk_packages(path, f"{package}."))]
    # Feature functions are public through the catalogue, by their features' names.
    return [
        name for name in names if not name.endswith(".__main__") and not name.startswith("presage_featurizer.features.")
    ]


@pytest.mark.parametrize("name", modules())
def test_all_names_what_is_there_and_everything_that_is_public(name):
    module = importlib.import_module(name)
    named = getattr(module, "__all__", [])
    assert [missing for missing in named if not hasattr(module, missing)] == []
    assert len(named) == len(set(named))
    defined_here = {
        public
        for public, value in vars(module).items()
        if not public.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    }
    assert defined_here - set(named) == set()
