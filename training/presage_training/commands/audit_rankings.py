"""``presage audit --rankings``: logged rankings computed again from an archive."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from presage_training.commands.visitor_names import VisitorNames

if TYPE_CHECKING:
    from presage_export.bundle.ranking import RankingBundle
    from presage_featurizer.ranking.placements import Placements

__all__ = ["RankingsCommand"]

_MICROS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingsCommand:
    """What the command line asks for."""

    archive: Path
    models: Path
    placements: Path | None
    bucket_seconds: int
    names: VisitorNames

    def run(self, console: Console) -> bool:
        """Compare all rankings and print the result; return whether all are the same. Raises as ``audit_rankings`` does."""
        from presage_training.quoting import printable  # noqa: PLC0415 - after the command's help
        from presage_training.ranking.archived_rankings import audit_rankings  # noqa: PLC0415
        from presage_training.readers.skipped_rows import SkippedRows  # noqa: PLC0415

        skipped = SkippedRows()
        with console.status("reading models") as status:
            result = audit_rankings(
                self.archive,
                self._read_bundles(console),
                self._read_placements(),
                bucket_micros=self.bucket_seconds * _MICROS,
                skipped=skipped,
                on_progress=status.update,
            )
        console.print(
            f"presage audit: {result.same:,} rankings the same, {result.different:,} different, "
            f"{result.skipped.total():,} not comparable",
            soft_wrap=True,
        )
        for reason, count in sorted((result.skipped + Counter(skipped.counts)).items()):
            console.print(f"  {count:,}: {reason}", soft_wrap=True)
        for difference in result.differences:
            exposure = difference.logged
            console.print(
                f"  ranking {printable(exposure.rank_id)} of visitor {self.names.of(exposure.user_id)} "
                f"at {exposure.as_of_unix_micros}, model {printable(exposure.model)} {printable(exposure.model_version)}: "
                f"{difference.what}",
                soft_wrap=True,
            )
        return not result.different

    def _read_bundles(self, console: Console) -> dict[tuple[str, str], RankingBundle]:
        from presage_export.bundle.ranking import is_ranking_bundle, load_ranking_bundle  # noqa: PLC0415
        from presage_export.errors import BundleError  # noqa: PLC0415

        found = {}
        for manifest in sorted(self.models.glob("*/*/manifest.json")):
            folder = manifest.parent
            try:
                if is_ranking_bundle(folder):
                    found[folder.parent.name, folder.name] = load_ranking_bundle(folder)
            except BundleError as error:
                console.print(f"skipped: {error}", soft_wrap=True)
        return found

    def _read_placements(self) -> Placements:
        from presage_featurizer.ranking.placements import Placements  # noqa: PLC0415
        from presage_training.errors import DatasetError  # noqa: PLC0415

        if self.placements is None:
            return Placements.default()
        try:
            return Placements.parse(self.placements.read_text("utf-8"), str(self.placements))
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.placements}: expected text in UTF-8 ({error})") from error
