"""How durable a store is: logged at start, and checked where the settings require more."""

from __future__ import annotations

import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

from presage_server.errors import StoreStartError

__all__ = ["check_durability"]

_logger = logging.getLogger(__name__)


async def check_durability(redis: Redis, fsync: str) -> None:
    """Log how durably the store keeps writes.

    Args:
        redis: A client of the store.
        fsync: What the setting ``store_fsync`` demands: with "always", a store that syncs less often cannot be used.

    Raises:
        StoreStartError: It does not sync before it answers, as it has to.
        RedisError, OSError: It cannot be reached.
    """
    appendonly, appendfsync = await _config(redis, "appendonly"), await _config(redis, "appendfsync")
    if fsync == "always":
        if not appendonly:
            _logger.warning("store_fsync: whether the store syncs always cannot be checked: CONFIG GET is not allowed")
        elif (appendonly, appendfsync) != ("yes", "always"):
            raise StoreStartError(
                "store_fsync: expected a store with appendonly yes and appendfsync always, "
                f"got appendonly {appendonly} and appendfsync {appendfsync}; change that there, or leave store_fsync at everysec"
            )
    elif appendonly == "no":
        _logger.warning(
            "the store keeps no append-only file: when it restarts, all since its last snapshot is lost; set appendonly to yes"
        )


async def _config(redis: Redis, name: str) -> str:
    """Read a setting of the store; empty if that is not allowed."""
    try:
        return str((await redis.config_get(name)).get(name, ""))
    except RedisError:
        return ""
