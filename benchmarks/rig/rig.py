"""The rig: what one run of a load benchmark starts, which ends with the run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.rig.build import build_program
from benchmarks.rig.calls import Calls, write_calls
from benchmarks.rig.checkouts import Checkout, CheckoutError, check_imports, checkout_of, run_in
from benchmarks.rig.serving import (
    Server,
    local_store,
    presage_process,
    serving_process,
    settle_store,
    store_process,
)
from benchmarks.rig.visitors import fill_store
from presage_featurizer import State

__all__ = ["Rig", "open_rig"]

_FILLERS = ("benchmarks/rig/visitors.py", "benchmarks/wire/visitors.py")
"""Where a revision has ``fill_store``: now, and before there was a rig."""


@contextmanager
def open_rig(visitors: int) -> Iterator[Rig]:
    """Make a rig whose stores hold a number of visitors; all that it starts ends with the context.

    Raises:
        MissingRequirementError: The load generator cannot be built here.
    """
    build_program("load")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presage-bench-")))
        yield Rig(stack, folder, visitors)


class Rig:
    """Starts stores and servers, and writes calls; see ``open_rig``."""

    def __init__(self, stack: ExitStack, folder: Path, visitors: int) -> None:
        self.now_unix_micros = time.time_ns() // 1_000
        """The moment that the visitors' states are of."""
        self._stack = stack
        self._folder = folder
        self._visitors = visitors

    def check_out(self, revision: str) -> Checkout:
        """Check out another revision, for ``start_store`` and ``start_presage``.

        Raises:
            CheckoutError: There is no such revision, or it is from before the load benchmarks.
            CommandError: What it depends on cannot be installed.
        """
        checkout = self._stack.enter_context(checkout_of(revision))
        check_imports(checkout)
        if _filler(checkout) is None:
            raise CheckoutError(f"{revision} has no {_FILLERS[0]} to fill a store with")
        return checkout

    def start_store(
        self,
        checkout: Checkout | None = None,
        *,
        options: Mapping[str, str] | None = None,
        states: Sequence[State] | None = None,
    ) -> str:
        """Start a store with visitors; returns its URL.

        Args:
            checkout: The revision that encodes the states; this one unless given.
            options: As for ``local_store``.
            states: The visitors' states, given to them in turn; simulated ones unless given.
        """
        url = self._stack.enter_context(local_store(options))
        if checkout is None:
            fill_store(url, self._visitors, self.now_unix_micros, states)
        else:
            fill = f"import sys; from {_filler(checkout)} import fill_store as fill; fill(sys.argv[1], *map(int, sys.argv[2:]))"
            run_in(checkout, "-c", fill, url, str(self._visitors), str(self.now_unix_micros))
        settle_store(url)
        return url

    def start_presage(self, url: str, *flags: str, checkout: Checkout | None = None, reached_by: str = "") -> Server:
        """Start ``presage serve`` on a store.

        Args:
            url: The store's.
            flags: Further flags of its command line.
            checkout: The revision to run; this one unless given.
            reached_by: The URL that the server gets, if it is another than the store's own, such as that of a proxy.
        """
        of_checkout = {"python": checkout.python, "environment": checkout.environment} if checkout else {}
        address, pid = self._stack.enter_context(presage_process(reached_by or url, *flags, **of_checkout))
        return Server(address, pid, store_process(url))

    def start_delay(self, url: str, round_trip_us: int) -> str:
        """Start a proxy in front of a store that makes each round trip longer; returns the URL that goes through it."""
        options = ("--socket", urlsplit(url).path, "--round-trip-us", str(round_trip_us))
        address, _ = self._stack.enter_context(serving_process((str(build_program("delay")), *options)))
        return f"redis://{address}"

    def start_program(self, command: Sequence[str], url: str) -> Server:
        """Start another server, which says where it listens as ``presage serve`` does, on a store."""
        address, pid = self._stack.enter_context(serving_process(command))
        return Server(address, pid, store_process(url))

    @property
    def folder(self) -> Path:
        """For files of the run; it ends with it."""
        return self._folder

    def write_calls(self, scenario: str) -> Calls:
        """Write the calls of a scenario, for the rig's visitors, to a file."""
        file = self._folder / scenario
        return write_calls(scenario, file, visitors=self._visitors, now_unix_micros=self.now_unix_micros)


def _filler(checkout: Checkout) -> str | None:
    """Find the module of a checkout that has ``fill_store``."""
    found = (path for path in _FILLERS if (checkout.folder / path).exists())
    return next((path.removesuffix(".py").replace("/", ".") for path in found), None)
