"""``presage serve``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

from presage_server.cli.options import reject_removed, with_options
from presage_server.cli.variables import check_variables
from presage_server.errors import StartupError
from presage_server.log_ids import use_log_id_key
from presage_server.logs import start_logging
from presage_server.settings import REMOVED_SETTINGS, Settings

__all__ = ["serve"]


@with_options(Settings, REMOVED_SETTINGS)
def serve(**values: Any) -> None:
    """Serve scores.

    Prints one line when it is ready: `presage: serving on HOST:PORT`. SIGTERM and Ctrl-C drain and stop. Every option can also be
    given as an environment variable: `PRESAGE_` and its name in capitals, as in `PRESAGE_REDIS_URL`.
    """
    try:
        check_variables(os.environ, Settings, REMOVED_SETTINGS)
        settings = Settings(**reject_removed(values, REMOVED_SETTINGS))
        start_logging(settings.log_level, settings.log_format)
        use_log_id_key(settings.log_id_key)
        _run(settings, lambda address: print(f"presage: serving on {address}", flush=True))  # noqa: T201
    except StartupError as error:
        print(f"presage: cannot serve: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


def _run(settings: Settings, announce: Callable[[str], None]) -> None:
    # Imported late: other commands start faster without the server, and a supervisor without what only its workers need.
    if settings.workers > 1:
        from presage_server.workers.supervisor import supervise  # noqa: PLC0415

        asyncio.run(supervise(settings, announce))
    else:
        import uvloop  # noqa: PLC0415

        from presage_server.workers.serving import serve as serve_in_this_process  # noqa: PLC0415

        uvloop.run(serve_in_this_process(settings, announce))
