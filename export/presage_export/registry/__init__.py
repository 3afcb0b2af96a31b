"""A folder of bundles, ``<name>/<version>/``, and which versions of each name serve which visitors.

Beside the versions of a name lie ``aliases.json``, replaced whole with each change, ``changes.jsonl``, the history of changes, and
``learning.jsonl``, what a learner decided. Servers and the console read them, training and the command line write them, too; so the
formats are here, where all of them can import them.
Loading and running bundles belongs to ``bundle``.
"""

from __future__ import annotations

from presage_export.errors import AliasesError, StaleAliasesError
from presage_export.registry.aliases import ALIASES_FILE, Aliases, RollbackRules, read_aliases
from presage_export.registry.assignment import Arm, Assignment, Draws, assign, propensity_of
from presage_export.registry.changes import (
    CHANGES_FILE,
    AliasChange,
    ChangeLog,
    find_aliases_before,
    read_change_log,
    read_changes,
    replace_aliases,
)
from presage_export.registry.folders import find_versions, is_version, list_versions, version_order
from presage_export.registry.moves import drop_challenger, promote, set_shadow, split
from presage_export.registry.verdicts import VERDICTS_FILE, Verdict, append_verdict, read_verdicts
from presage_export.registry.wording import describe_change, roles_of

__all__ = [
    "ALIASES_FILE",
    "CHANGES_FILE",
    "VERDICTS_FILE",
    "AliasChange",
    "Aliases",
    "AliasesError",
    "Arm",
    "Assignment",
    "ChangeLog",
    "Draws",
    "RollbackRules",
    "StaleAliasesError",
    "Verdict",
    "append_verdict",
    "assign",
    "describe_change",
    "drop_challenger",
    "find_aliases_before",
    "find_versions",
    "is_version",
    "list_versions",
    "promote",
    "propensity_of",
    "read_aliases",
    "read_change_log",
    "read_changes",
    "read_verdicts",
    "replace_aliases",
    "roles_of",
    "set_shadow",
    "split",
    "version_order",
]
