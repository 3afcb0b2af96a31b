"""A terminal for the commands in the docs: a folder, and at most one running server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import dropwhile
from pathlib import Path

from presage_client import Client
from support.running_server import ServerProcess, server_process
from support.stores import local_store

_STORE = "redis://store:6379"
_SERVER = "localhost:50051"
_SECONDS = 600.0
_VARIABLE = re.compile(r"[A-Z_]+=")
_USERS_SCORED = 20


class Terminal:
    """Runs commands in a folder. Use ``terminal``, which ends the servers.

    A command runs as it is written, except that the addresses of the docs become those of a real server and store, that servers
    listen on free ports, and that archivers end.
    """

    def __init__(self, folder: Path, sockets: Path, until_end: ExitStack) -> None:
        self._folder = folder
        self._sockets = sockets
        self._until_end = until_end
        self._until_next_server = until_end.enter_context(ExitStack())
        self._server: ServerProcess | None = None
        self._store = ""

    @property
    def address(self) -> str:
        """Where the server is; without one, it is started."""
        if self._server is None:
            self._serve()
        assert self._server is not None
        assert self._server.still_running(), self._server.log
        return self._server.address

    def run(self, command: str) -> str:
        """Run a command to its end, or until it serves, and return what it printed.

        Raises:
            AssertionError: It ended with an exit code other than 0.
            ValueError: It would go on in the background, and is no server.
        """
        words = shlex.split(command, comments=True)
        if words[:2] == ["presage", "serve"]:
            self._serve(*(word for word in words[2:] if word != "&"))
            return ""
        if words[-1] == "&":
            raise ValueError(f"expected only 'presage serve' in the background, got {command!r}")
        named = list(dropwhile(_VARIABLE.match, words))
        sends = named[:2] == ["presage", "replay"] or named[:3] == ["presage", "items", "load"]
        variables = {"PRESAGE_TARGET": self.address} if sends else {}
        done = subprocess.run(
            ["sh", "-c", self._adapted(command)],
            cwd=self._folder,
            env=_environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command!r} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _serve(self, *flags: str) -> None:
        """Start a server in place of the one before."""
        self._until_next_server.close()
        log = self._folder.parent / "server-log"
        data = () if "--data-dir" in flags else ("--data-dir", "presage-data")
        self._server = self._until_next_server.enter_context(server_process(log, *data, *flags))

    def _adapted(self, command: str) -> str:
        if _STORE in command:
            command = command.replace(_STORE, self._store or self._start_store())
        if _SERVER in command:
            command = command.replace(_SERVER, self.address)
        return f"{command} --once" if command.startswith("presage archive ") else command

    def _start_store(self) -> str:
        """Start a store, and a server on it that has served visitors."""
        socket = self._sockets / f"docs-{os.getpid()}.sock"
        self._store = self._until_end.enter_context(local_store(socket)).url
        self._serve("--redis-url", self._store, "--sample-vectors-share", "1")
        self.run("presage replay events.jsonl --format presage")
        with Client(self.address) as client:
            for number in range(_USERS_SCORED):
                client.score(f"sim7-{number:06d}")
        return self._store


@contextmanager
def terminal(folder: Path, sockets: Path) -> Iterator[Terminal]:
    """Open a terminal in a folder; at the end its servers end.

    Args:
        folder: Where commands run; it must be this process's working directory, too.
        sockets: A folder with a short path.
    """
    with ExitStack() as until_end:
        yield Terminal(folder, sockets, until_end)


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    return own | {
        "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
        "OMP_NUM_THREADS": "1",  # tests run beside each other; threads that wait for a core only cost time
    }
