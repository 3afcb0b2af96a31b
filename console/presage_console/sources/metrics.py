"""The server's metrics, read over HTTP as Prometheus reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from presage_console.errors import SourceError

__all__ = ["MetricsReader"]

_TIMEOUT_SECONDS = 10.0
"""As long as Prometheus waits: a machine may be busy."""
_MOST_BYTES = 16 << 20


class _StaysThere(HTTPRedirectHandler):
    """Follows nothing: the token would go along, to wherever the answer says."""

    def redirect_request(self, *_: Any) -> None:
        """Leave the answer as it is, which is an error."""


_opener: Final = build_opener(_StaysThere)


class MetricsReader:
    """Reads a metrics endpoint.

    Args:
        url: The endpoint.
        token_file: The file of the token that it is read with; empty: none.
    """

    def __init__(self, url: str, token_file: str = "") -> None:
        self.url = url
        """Where the metrics are."""
        self._token_file = token_file

    async def read(self) -> Mapping[str, Metric]:
        """Read all metrics, by name; a counter's name has no ``_total``. A thread does it.

        Raises:
            SourceError: They cannot be read.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> Mapping[str, Metric]:
        request = Request(self.url)  # noqa: S310 - settings allow http and https only
        try:
            if self._token_file:
                request.add_header("Authorization", f"Bearer {Path(self._token_file).read_text().strip()}")
            with _opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                text = response.read(_MOST_BYTES).decode()
            return {metric.name: metric for metric in text_string_to_metric_families(text)}
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise SourceError(f"the metrics at {self.url} cannot be read: {reason}") from error
        except ValueError as error:
            raise SourceError(f"{self.url} has no metrics that can be read: {error}") from error
