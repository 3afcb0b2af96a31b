"""A folder of models that has been used: versions that state how good they were, changes, and a learner's decisions."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from presage_export.bundle.manifest import decode_manifest
from presage_export.registry import (
    Aliases,
    Verdict,
    append_verdict,
    promote,
    read_aliases,
    replace_aliases,
    split,
)
from support.bundle_files import change_manifest, copy_bundle

__all__ = ["HOUR", "START", "used_models"]

SHIPPED = Path(__file__).parents[3] / "models"
START = 1_717_200_000_000_000
"""The first change, in microseconds of Unix time."""
HOUR = 3_600_000_000

VERSIONS = {
    "1": (0.7412, 21_870, 500),
    "2": (0.7383, 40_212, 1_000),
    "3": (0.7864, 71_345, 1_500),
    "4": (0.8033, 104_504, 2_000),
}
"""What each states: its ROC-AUC, the rows and the purchases that it was trained on."""

_LOSS = "log loss beside the champion: all"


def used_models(folder: Path) -> Path:
    """Write ``conversion`` 1 to 4: 3 is the champion, 4 is tried on a tenth of the visitors, 2 was rejected at the gate."""
    source = SHIPPED / "conversion" / "3"
    for version, (roc_auc, rows, _) in VERSIONS.items():
        bundle = copy_bundle(source, folder / "conversion" / version)
        manifest = decode_manifest((bundle / "manifest.json").read_bytes())
        end = START + int(version) * 20 * HOUR
        change_manifest(
            bundle,
            metrics=manifest.metrics | {"roc_auc": roc_auc},
            data=manifest.data | {"train_rows": rows, "log_end_unix_micros": end},
        )
    here = folder / "conversion"
    for hour, version, verdict, reason in (
        (1, "1", "challenger", "there is no champion to compare with"),
        (2, "1", "promote", "conversion/1 is better than conversion/0"),
        (
            40,
            "2",
            "rejected",
            f"may be worse than the champion in all: the bound is not below 0.01; {_LOSS} +0.0031 (at most +0.0123)",
        ),
        (60, "3", "challenger", f"not worse than the champion; {_LOSS} -0.0213 (at most -0.0101, 1,204 sessions)"),
        (62, "3", "continue", "No difference seen yet, over 80 sessions of 77 visitors."),
        (64, "3", "continue", "No difference seen yet, over 160 sessions of 152 visitors."),
        (70, "3", "promote", "conversion/3 is better than conversion/1: its log loss is 0.0190 lower"),
        (80, "4", "challenger", f"not worse than the champion; {_LOSS} -0.0042 (at most +0.0038, 2,911 sessions)"),
    ):
        made = Verdict(
            decided_at_unix_micros=START + hour * HOUR,
            version=version,
            verdict=verdict,
            reason=reason,
            purchases=VERSIONS[version][2] if verdict == "challenger" else 0,
        )
        append_verdict(here, made)
    change(folder, 2, Aliases(champion="1"), "the first one")
    change(
        folder, 60, split(read_aliases(here), "3", 0.2, champion="1", new_salt="third"), "not worse than the champion"
    )
    change(folder, 70, promote(read_aliases(here)), "promote: its log loss is 0.0190 lower")
    change(
        folder, 80, split(read_aliases(here), "4", 0.1, champion="3", new_salt="fourth"), "not worse than the champion"
    )
    return folder


def change(folder: Path, hour: int, aliases: Aliases, reason: str, by: str = "presage learn") -> None:
    """Change the aliases of ``conversion``, whatever their revision."""
    here = folder / "conversion"
    replace_aliases(
        here,
        replace(aliases, revision=read_aliases(here).revision),
        now_unix_micros=START + hour * HOUR,
        changed_by=by,
        reason=reason,
    )
