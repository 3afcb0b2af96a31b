"""The process beside a server that counts items. Its arguments: the seconds of a bucket, the level and the format of log lines."""

from __future__ import annotations

import logging
import os
import sys
from threading import Event as Flag

from presage_server.cli.stopping import stop_on_signals
from presage_server.errors import ServerError
from presage_server.items.follower_process import URL_VARIABLE
from presage_server.items.following import every, run
from presage_server.logs import start_logging

_NICENESS = 10
"""Servers on the same machine get the processor first."""

_REPORT_SECONDS = 600.0

_logger = logging.getLogger("presage_server.items")


def main() -> None:
    """Follow until the server is gone."""
    seconds, level, log_format = sys.argv[1:]
    start_logging(level, log_format)
    os.nice(_NICENESS)
    stop = Flag()
    with stop_on_signals(stop):
        try:
            run(
                os.environ[URL_VARIABLE],
                bucket_seconds=int(seconds),
                stop=stop,
                warn=_logger.warning,
                on_step=every(_REPORT_SECONDS, lambda progress: _logger.info("counting: %s", progress.line())),
            )
        except ServerError as error:
            _logger.error("items are not counted: %s", error)  # noqa: TRY400 - its text is for the operator
            sys.exit(2)


main()
