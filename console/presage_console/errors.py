"""The console's errors.

ConsoleError
├── SourceError        what a page shows could not be read; its text is for the reader of the page
└── RequestError       the browser's request is not valid; it has a status
"""

from __future__ import annotations

__all__ = ["ConsoleError", "RequestError", "SourceError"]


class ConsoleError(Exception):
    """Base of the console's own errors; the text is shown on the page."""


class SourceError(ConsoleError):
    """A source of a page, such as the metrics or the archive, could not be read; says which, and what to do."""


class RequestError(ConsoleError):
    """A request is not valid.

    Attributes:
        status: The HTTP status of the answer.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
