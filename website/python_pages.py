"""Pages of the Python interface: what the packages export, with its docstrings, which mkdocstrings fills in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from griffe import Alias, Class, Module, ModulesCollection, load

from website.repository import ROOT

FOLDER: Final = "reference/python"

MODULES: Final = (
    "presage_client",
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
    under: dict[str, list[str]] = {}
    for name in (*module.imports, *module.members):
        if name in (module.exports or ()):
            under.setdefault(_home(module[name]), [])
            if name not in under[_home(module[name])]:
                under[_home(module[name])].append(name)
    for home in sorted(under, key=lambda home: home.rpartition(".")[2].startswith("_")):
        if home != module.path and not home.rpartition(".")[2].startswith("_"):
            yield f"## {home.removeprefix(module.path).lstrip('.').replace('_', ' ').replace('.', ', ')}"
            docstring = module.modules_collection[home].docstring
            yield docstring.value if docstring else ""
        elif home != module.path:
            yield "## others"
        for name in under[home]:
            yield _member(module, name)


def _home(member: Alias | object) -> str:
    target = member.final_target if isinstance(member, Alias) else member
    return str(target.path).rpartition(".")[0]  # type: ignore[attr-defined]


def _member(module: Module, name: str) -> str:
    member = module[name]
    target = member.final_target if isinstance(member, Alias) else member
    is_enum = isinstance(target, Class) and any("Enum" in str(base) for base in target.bases)
    options = "\n    options:\n      show_if_no_docstring: true" if is_enum else ""
    return f"::: {module.path}.{name}{options}"
