"""The token of an HTTP request, as that for metrics is."""

from __future__ import annotations

from presage_server.call import Metadata

__all__ = ["metadata_of"]


def metadata_of(head: bytes) -> Metadata:
    """Return the header fields of a request, names in lower case.

    Args:
        head: The request up to the empty line.
    """
    lines = head.decode("latin-1").split("\r\n")[1:]
    fields = (line.partition(":") for line in lines if ":" in line)
    return [(name.strip().lower(), value.strip()) for name, _, value in fields]
