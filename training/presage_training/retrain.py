"""``python -m presage_training.retrain FOLDER``: a training of ``presage learn``, which gives way to all others.

It stands outside of ``learning`` to give way before that package is imported, which takes seconds of processor time.
"""

from __future__ import annotations

import os
from threading import Thread

from presage_training.giving_way import give_way, give_way_as_session, volunteer_to_be_killed

__all__ = ["main"]


def main() -> None:
    """Train as ``spec.json`` in the folder says; end when the one that started this has ended."""
    Thread(target=_end_with_stdin, daemon=True).start()
    give_way()
    give_way_as_session()
    volunteer_to_be_killed()
    from presage_training.learning.retraining import main as train  # noqa: PLC0415 - after it gives way

    train()


def _end_with_stdin() -> None:
    """Wait for the end of stdin: a session of its own gets no signal when the terminal is closed."""
    os.read(0, 1)  # not from ``sys.stdin``, which Python could not close then
    os._exit(1)


if __name__ == "__main__":
    main()
