"""Asks a cluster where its partitions are, in a separate thread, on request."""

from __future__ import annotations

import logging
import threading

from redis.exceptions import RedisError

from presage_server.errors import StoreStartError
from presage_server.store.cluster.slot_map import SlotMap

__all__ = ["MapKeeper"]

_logger = logging.getLogger(__name__)

_APART_SECONDS = 0.2
"""The shortest time between two questions: while a slot moves, every server may say so at once."""
_JOIN_SECONDS = 5.0


class MapKeeper:
    """Refreshes a map of slots. Every method but ``close`` returns at once.

    Args:
        slots: The map.
    """

    def __init__(self, slots: SlotMap) -> None:
        self._slots = slots
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._refreshed = False
        self._thread = threading.Thread(target=self._run, name="presage-cluster", daemon=True)

    def start(self) -> None:
        """Start waiting for requests."""
        self._thread.start()

    def want(self) -> None:
        """Have the cluster asked, soon."""
        self._wanted.set()

    def take(self) -> bool:
        """Return whether the map was refreshed since this was last asked."""
        if not self._refreshed:
            return False
        self._refreshed = False  # before the map is looked at: a refresh in between is taken the next time
        return True

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        failing = False
        while True:
            self._wanted.wait()
            if self._stop.is_set():
                return
            self._wanted.clear()
            try:
                self._slots.refresh()
            except (RedisError, OSError, StoreStartError) as error:
                if not failing:
                    _logger.warning("no server of the store's cluster returns its slots: %s", error)
                failing = True
            except Exception:  # nobody else would ever ask again
                if not failing:
                    _logger.exception("where the slots of the store's cluster are could not be understood; asked again")
                failing = True
                self._wanted.set()
            else:
                failing = False
                self._refreshed = True
            self._stop.wait(_APART_SECONDS)
