"""``presage console``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from typing import Any

from presage_console.errors import ConsoleError
from presage_console.settings import ConsoleSettings
from presage_server.cli.options import with_options
from presage_server.cli.variables import CONSOLE_PREFIX, check_variables
from presage_server.errors import SettingsError
from presage_server.workers.priority import lower_priority

__all__ = ["console"]

_NICENESS = 10
"""On a host with a server, its calls go first."""


@with_options(ConsoleSettings, {}, CONSOLE_PREFIX)
def console(**values: Any) -> None:
    """Show a running server in a browser: calls and latencies, models, visitors, drift, items; and a demo shop.

    It is a process of its own, which reads the server as any client does. Prints its address when it is ready. Every option can
    also be given as an environment variable: `PRESAGE_CONSOLE_` and its name in capitals, as in `PRESAGE_CONSOLE_SERVER`.
    """
    # Imported late: the help needs no web server.
    from presage_console.serving import listen, serve  # noqa: PLC0415
    from presage_console.shop.playground import connected  # noqa: PLC0415

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        check_variables(os.environ, ConsoleSettings, (), CONSOLE_PREFIX)
        given = ConsoleSettings(**values)
        with listen(given):
            pass  # the port is free: known before a shop is started for nothing
        with connected(given, on_progress=_tell) as settings, suppress(KeyboardInterrupt):
            lower_priority(_NICENESS)  # not before: what the shop starts would inherit it
            asyncio.run(serve(settings, _announce))
    except (ConsoleError, SettingsError, ValueError) as error:
        print(f"presage console: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except OSError as error:
        print(f"presage console: cannot listen: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


def _tell(what: str) -> None:
    print(f"presage console: {what}", flush=True)  # noqa: T201 - this takes a while


def _announce(address: str, own_token: str) -> None:
    print(f"presage console: open {address}", flush=True)  # noqa: T201 - what the command is for
    print(f"presage console: to change anything while the server has no tokens, sign in with {own_token}", flush=True)  # noqa: T201
