"""``presage train --rank``: a ranking model from an event log or from a simulated shop."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from presage_featurizer.ranking.placements import Placements
    from presage_training.experiment import LogSource
    from presage_training.ranking.answers import Question

__all__ = ["RankingCommand"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingCommand:
    """What the command line asks for."""

    to: Path
    bundle: Path | None
    question: Question | None
    placements: Path | None
    items: Path | None
    columns: str
    state_ttl_days: float
    seed: int
    draws: int
    force: bool

    def run(self, log: LogSource, console: Console) -> None:
        """Train, and print how the model does and the command that serves it; raises as ``train_ranking`` does."""
        from presage_featurizer.ranking.definition import RANKING_FEATURES  # noqa: PLC0415 - as below
        from presage_training.ranking.catalogue_sources import CatalogueFile  # noqa: PLC0415
        from presage_training.ranking.planning import RankingOptions  # noqa: PLC0415 - after the command's help
        from presage_training.ranking.runs import train_ranking  # noqa: PLC0415
        from presage_training.report.ranking_page import ranking_lines  # noqa: PLC0415

        with console.status("reading") as status:
            results = train_ranking(
                log,
                self.to,
                question=self.question,
                placements=self._read_placements(),
                catalogue=None if self.items is None else CatalogueFile(path=self.items, columns=self.columns),
                options=RankingOptions(seed=self.seed, draws=self.draws, state_ttl_days=self.state_ttl_days),
                bundle=self.bundle,
                overwrite=self.force,
                on_progress=status.update,
                on_note=lambda line: console.print(line, soft_wrap=True),
            )
        for line in ranking_lines(results, width=console.width):
            console.print(line, soft_wrap=isinstance(line, str))
        console.print(f"{self.to / 'report.html'}", soft_wrap=True)
        if self.bundle is not None:
            console.print(f"{self.bundle}", soft_wrap=True)
        folder, name = self.to / "models", RANKING_FEATURES
        if self.bundle is not None:
            folder, name = self.bundle.absolute().parents[1], self.bundle.absolute().parent.name
        if not any(path.name != name for path in folder.iterdir()):
            console.print(f"no model of {folder} scores: put one that does beside {name} to serve both", soft_wrap=True)
        console.print(f"next: {shlex.join(('presage', 'serve', '--models', str(folder)))}", soft_wrap=True)

    def _read_placements(self) -> Placements | None:
        from presage_featurizer.ranking.placements import Placements  # noqa: PLC0415
        from presage_training.errors import DatasetError  # noqa: PLC0415

        if self.placements is None:
            return None
        try:
            return Placements.parse(self.placements.read_text("utf-8"), str(self.placements))
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.placements}: expected text in UTF-8 ({error})") from error
