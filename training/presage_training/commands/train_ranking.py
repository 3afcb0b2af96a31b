"""``presage train --rank``: a ranking model from an event log or from a simulated shop."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from presage_training.experiment import LogSource
    from presage_training.ranking.answers import Question

__all__ = ["RankingCommand"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingCommand:
    """What the command line asks for."""

    to: Path
    bundle: Path | None
    question: Question | None
    seed: int
    draws: int
    force: bool

    def run(self, log: LogSource, console: Console) -> None:
        """Train, and print how the model does and the command that serves it; raises as ``train_ranking`` does."""
        from presage_training.ranking.planning import RankingOptions  # noqa: PLC0415 - after the command's help
        from presage_training.ranking.runs import train_ranking  # noqa: PLC0415
        from presage_training.report.ranking_page import ranking_lines  # noqa: PLC0415

        with console.status("reading") as status:
            results = train_ranking(
                log,
                self.to,
                question=self.question,
                options=RankingOptions(seed=self.seed, draws=self.draws),
                bundle=self.bundle,
                overwrite=self.force,
                on_progress=status.update,
            )
        for line in ranking_lines(results):
            console.print(line, soft_wrap=isinstance(line, str))
        console.print(f"{self.to / 'report.html'}", soft_wrap=True)
        if self.bundle is not None:
            console.print(f"{self.bundle}", soft_wrap=True)
        folder = self.to / "models" if self.bundle is None else self.bundle.absolute().parents[1]
        console.print(f"next: {shlex.join(('presage', 'serve', '--models', str(folder)))}", soft_wrap=True)
