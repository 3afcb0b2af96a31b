"""Log lines: one format for a server and its workers, on stderr."""

from __future__ import annotations

import logging
import sys

__all__ = ["start_logging"]


def start_logging(level: str, *, worker: int | None = None) -> None:
    """Log to stderr.

    Args:
        level: The least severe level that is logged, as in ``Settings.log_level``.
        worker: The number of this worker process, which every line has; None in a process that is no worker.
    """
    origin = "%(name)s" if worker is None else f"%(name)s: worker {worker}"
    form = f"%(asctime)s %(levelname)s {origin}: %(message)s"
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format=form)
