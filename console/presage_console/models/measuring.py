"""``python -m presage_console.models.measuring QUESTION``: what an archive says of a model's versions, as JSON on stdout.

An archive may take minutes to read: in a process of its own, which gives way to all others, pages are answered meanwhile, and the
memory is free again afterwards. It ends when stdin does, and so with the console, however that ends.
"""

from __future__ import annotations

import os
import sys
from threading import Thread

import msgspec

from presage_console.models.measured_calibration import measure_calibration
from presage_console.models.measured_comparison import measure_comparison
from presage_console.models.measurements import Failure, Measured, Question

__all__ = ["main", "measure"]


def measure(question: Question) -> Measured:
    """Answer a question; what the archive does not allow is an answer, too."""
    try:
        from presage_export.errors import ExportError  # noqa: PLC0415 - after this process gives way
        from presage_featurizer import FeaturizerError  # noqa: PLC0415
        from presage_training.errors import TrainingError  # noqa: PLC0415

        try:
            return (
                measure_calibration(question)
                if question.versions is None
                else measure_comparison(question, question.versions)
            )
        except (TrainingError, ExportError, FeaturizerError) as error:
            return Failure(message=str(error))
        except OSError as error:
            return Failure(
                message=f"{error.filename or question.archive}: {error.strerror or error}; expected the folder that presage "
                "archive writes"
            )
    except ModuleNotFoundError as error:
        return Failure(message=f"{error.name} is not installed here; pip install 'presage-scoring[train]' adds it")


def _end_with_stdin() -> None:
    os.read(0, 1)  # not from ``sys.stdin``, which Python could not close then
    os._exit(1)


def main() -> None:
    """Answer the question of the command line."""
    from presage_training.giving_way import give_way, volunteer_to_be_killed  # noqa: PLC0415

    Thread(target=_end_with_stdin, daemon=True).start()
    give_way()
    volunteer_to_be_killed()
    answer = measure(msgspec.json.decode(sys.argv[1], type=Question))
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
