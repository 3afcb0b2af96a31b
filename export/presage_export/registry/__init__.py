"""A folder of bundles, ``<name>/<version>/``, and which versions of each name serve whom.

Beside the versions of a name lie ``aliases.json``, replaced whole with each change, and ``changes.jsonl``, the history of changes.
Servers read both, and training and the command line write them, too; so the format is here, where all of them can import it.
Loading and running bundles belongs to ``bundle``.
"""

from __future__ import annotations

from presage_export.errors import AliasesError, StaleAliasesError
from presage_export.registry.aliases import ALIASES_FILE, Aliases, RollbackRules, read_aliases
from presage_export.registry.assignment import Arm, Assignment, assign, propensity_of
from presage_export.registry.changes import CHANGES_FILE, AliasChange, read_changes, replace_aliases
from presage_export.registry.folders import find_versions, is_version, version_order

__all__ = [
    "ALIASES_FILE",
    "CHANGES_FILE",
    "AliasChange",
    "Aliases",
    "AliasesError",
    "Arm",
    "Assignment",
    "RollbackRules",
    "StaleAliasesError",
    "assign",
    "find_versions",
    "is_version",
    "propensity_of",
    "read_aliases",
    "read_changes",
    "replace_aliases",
    "version_order",
]
