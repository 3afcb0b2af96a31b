"""Has a follower work for as long as it holds the lease, and waits for a store that goes away."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from threading import Event as Flag
from time import monotonic
from typing import TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from presage_featurizer import StateError
from presage_server.errors import ServerError
from presage_server.eventlog.connecting import connect_clients
from presage_server.items.follower import Follower
from presage_server.items.follower_progress import FollowerProgress
from presage_server.items.item_store import ChainBrokenError
from presage_server.items.keys import LEASE
from presage_server.items.lease import Lease

__all__ = ["ItemsError", "every", "follow", "run"]

T = TypeVar("T")

_RETRY_SECONDS = 1.0
_MAX_POLL_SECONDS = 1.0
_POLLS_PER_BUCKET = 4
_TIMEOUT_SECONDS = 20.0
_MICROS = 1_000_000


class ItemsError(ServerError):
    """Expected: the stored items cannot be used; the text is for the operator."""


def follow(
    follower: Follower, lease: Lease, *, stop: Flag, on_step: Callable[[], None], warn: Callable[[str], None]
) -> None:
    """Follow until ``stop`` is set.

    Args:
        follower: Counts and publishes.
        lease: Says whether it is this one's turn; released at the end.
        stop: Ends it after the current step.
        on_step: Called after each step.
        warn: Called with one line for each thing that an operator must know.

    Raises:
        ItemsError: The store rejects a command, or holds what this release cannot read.
    """
    poll_seconds = min(_MAX_POLL_SECONDS, follower.width_micros / 1e6 / _POLLS_PER_BUCKET)
    prepared = store_is_away = False
    while not stop.is_set():
        try:
            if not lease.hold():
                prepared = False
                stop.wait(_RETRY_SECONDS)
                continue
            if not prepared:
                follower.prepare()
                prepared = True
            more = follower.step()
        except (RedisConnectionError, RedisTimeoutError, ChainBrokenError) as error:
            if not store_is_away:
                warn(f"the store does not answer ({error}); waiting for it")
            store_is_away, prepared = True, False
            stop.wait(_RETRY_SECONDS)
            continue
        except RedisError as error:
            raise ItemsError(f"redis_url: the store refuses: {str(error)[:200]}") from error
        except StateError as error:
            raise ItemsError(f"the stored items cannot be read: {error}") from error
        if store_is_away:
            store_is_away = False
            warn("the store answers again")
        on_step()
        if not more:
            stop.wait(poll_seconds)
    with suppress(RedisError):  # it expires
        lease.release()


def run(
    url: str,
    *,
    bucket_seconds: int,
    stop: Flag,
    warn: Callable[[str], None],
    on_step: Callable[[FollowerProgress], None] = lambda _: None,
) -> FollowerProgress:
    """Connect to a store and follow it until ``stop`` is set.

    Raises:
        ItemsError: As ``follow``.
        EventLogStoreError: The store cannot be reached, or is too old.
    """
    clients, counts_entries = connect_clients(url, client_name="presage-items-follow", timeout_seconds=_TIMEOUT_SECONDS)
    with clients:
        lease = Lease(clients.of_key(LEASE), holder=secrets.token_hex(8))
        follower = Follower(
            clients=clients,
            counts_entries=counts_entries,
            width_micros=bucket_seconds * _MICROS,
            token=lambda: secrets.token_hex(6),
            warn=warn,
            on_read=lease.hold,
        )
        follow(follower, lease, stop=stop, on_step=lambda: on_step(follower.progress), warn=warn)
        return follower.progress


def every(seconds: float, show: Callable[[T], None]) -> Callable[[T], None]:
    """Show the first of what is given, and then one every so often."""
    shown = float("-inf")

    def show_sometimes(given: T) -> None:
        nonlocal shown
        now = monotonic()
        if now - shown >= seconds:
            shown = now
            show(given)

    return show_sometimes
