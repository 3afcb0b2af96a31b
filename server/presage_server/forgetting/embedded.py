"""The embedded store of a data folder, whether a server runs on it or not."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from presage_server.errors import StoreStartError
from presage_server.store.embedded import embedded_store
from presage_server.store.private_files import ADDRESS_FILE

__all__ = ["embedded_url"]


@contextmanager
def embedded_url(data_dir: Path) -> Iterator[str]:
    """Return the URL of the store of a folder; where no server runs it, it runs for as long as the context lasts.

    Raises:
        StoreStartError: There is no such store, or it cannot be started.
    """
    if not (data_dir / "lock").exists():
        raise StoreStartError(
            f"data_dir: {data_dir} is no folder of an embedded store; expected that of presage serve --data-dir"
        )
    if _is_running(data_dir):
        yield (data_dir / ADDRESS_FILE).read_text(encoding="utf-8").strip()
        return
    with asyncio.Runner() as runner:
        store = embedded_store(data_dir)
        url = runner.run(store.__aenter__())
        try:
            yield url
        finally:
            runner.run(store.__aexit__(None, None, None))


def _is_running(data_dir: Path) -> bool:
    with (data_dir / "lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
