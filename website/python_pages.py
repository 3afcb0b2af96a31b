"""Pages of the Python interface: what the packages export, with its docstrings, which mkdocstrings fills in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from griffe import Alias, Class, Module, ModulesCollection, Object, load

from website.repository import ROOT

FOLDER: Final = "reference/python"

MODULES: Final = (
    "presage_client",
    "presage_client.mapping",
    "presage_featurizer",
    "presage_featurizer.custom",
    "presage_featurizer.event_log",
    "presage_export.exporter",
    "presage_export.ranking_exporter",
    "presage_export.bundle",
    "presage_export.bundle.calibration",
    "presage_export.bundle.manifest",
    "presage_export.registry",
    "presage_export.drift",
)
"""The modules that others import; what they export is on the pages."""

_SOURCES: Final = [ROOT / "client", ROOT / "featurizer", ROOT / "export"]


def python_pages() -> dict[str, str]:
    """Return a page for each module, by its place in the site."""
    read = ModulesCollection()
    for package in {name.partition(".")[0] for name in MODULES}:
        load(package, search_paths=_SOURCES, modules_collection=read)
    return {f"{FOLDER}/{name}.md": "\n\n".join(_parts(read[name])) + "\n" for name in MODULES}


def _parts(module: Module) -> Iterator[str]:
    """Yield a page's parts: what a package took from the modules inside it stands under their names and docstrings."""
    yield f"# {module.path}"
    if module.docstring:
        yield module.docstring.value
    for home, names in sorted(_by_home(module).items(), key=lambda entry: _is_private(entry[0])):
        if _is_private(home):
            yield "## more"
        elif home != module.path:
            yield f"## {home.removeprefix(f'{module.path}.').replace('_', ' ').replace('.', ', ')}"
            docstring = module.modules_collection[home].docstring
            yield docstring.value if docstring else ""
        yield from (_member(module, name) for name in names)


def _by_home(module: Module) -> dict[str, list[str]]:
    """Return the names that a module exports, by where they are defined, both in the order of the module."""
    homes: dict[str, list[str]] = {}
    for name in dict.fromkeys((*module.imports, *module.members)):
        if name in (module.exports or ()):
            homes.setdefault(_target(module, name).path.rpartition(".")[0], []).append(name)
    return homes


def _is_private(path: str) -> bool:
    return path.rpartition(".")[2].startswith("_")


def _target(module: Module, name: str) -> Object:
    """Return what a name stands for, wherever it is defined."""
    member = module[name]
    found = member.final_target if isinstance(member, Alias) else member
    if not isinstance(found, Object):
        raise TypeError(f"expected something that is defined in this repository, got {found!r}")
    return found


def _member(module: Module, name: str) -> str:
    """Return what mkdocstrings replaces by documentation; of an enumeration, members without a docstring are shown, too."""
    target = _target(module, name)
    is_enumeration = isinstance(target, Class) and any("Enum" in str(base) for base in target.bases)
    options = "\n    options:\n      show_if_no_docstring: true" if is_enumeration else ""
    return f"::: {module.path}.{name}{options}"
