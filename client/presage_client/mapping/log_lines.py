"""Lines of Presage's own log format, which ``presage train`` and ``presage replay`` read with ``--format presage``."""

from __future__ import annotations

import json
from dataclasses import asdict

from presage_client.types import Event

__all__ = ["to_log_line"]


def to_log_line(event: Event) -> str:
    """Return an event as one line of JSON, with its newline. A log is in the order in which its events happened."""
    fields = asdict(event) | {"type": event.type.name, "device": event.device.name if event.device else ""}
    return f"{json.dumps(fields, ensure_ascii=False, separators=(',', ':'))}\n"
