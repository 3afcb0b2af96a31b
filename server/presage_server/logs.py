"""Log lines: one format for a server and the processes that belong to it, on stderr; secrets are left out."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

from presage_server.log_ids import without_ids

__all__ = ["redacted", "start_logging"]

_SECRETS = (
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s'\"]*@", re.IGNORECASE),
        r"\1***@",
    ),  # a URL's user and password, whatever they hold
    (re.compile(r"(\bBearer\s+)[^\s'\",)]+", re.IGNORECASE), r"\1***"),
    (
        re.compile(
            r"(\b(?:password|passwd|secret|token|requirepass|masterauth)\s*=\s*['\"]?)[^\s'\",)]+", re.IGNORECASE
        ),
        r"\1***",
    ),
)
_FIELDS = ("method", "request_id", "trace_id")
"""What a log record may have beside its text, as ``extra``."""


def start_logging(level: str, log_format: str = "text", *, worker: int | None = None) -> None:
    """Log to stderr.

    Args:
        level: The least severe level that is logged, as in ``Settings.log_level``.
        log_format: ``text`` or ``json``, as in ``Settings.log_format``.
        worker: The number of this worker process, which every line has; None in a process that is no worker.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter(worker) if log_format == "json" else _TextFormatter(worker))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def redacted(text: str) -> str:
    """Return a text without the passwords, tokens and visitors' ids that errors of libraries, and URLs, may bring into it."""
    text = without_ids(text)
    for form, replacement in _SECRETS:
        text = form.sub(replacement, text)
    return text


class _TextFormatter(logging.Formatter):
    """A line to read, and a traceback below it."""

    def __init__(self, worker: int | None) -> None:
        origin = "%(name)s" if worker is None else f"%(name)s: worker {worker}"
        super().__init__(f"%(asctime)s %(levelname)s {origin}: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, worker: int | None) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
            "process": record.process,
        }
        if self._worker is not None:
            line["worker"] = self._worker
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = {
                "type": record.exc_info[0].__name__,
                "message": redacted(str(record.exc_info[1])),
                "stack": redacted(self.formatException(record.exc_info)),
            }
        return json.dumps(line, ensure_ascii=False)
