"""``UpsertItems``: changes of the catalogue, appended to the stream that all servers follow.

Served by grpc.aio, beside the calls that need to be fast.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.errors import InvalidRequestError, RpcError, StoreFullError, StoreUnavailableError
from presage_server.items.catalogue_decoding import decode_changes
from presage_server.items.changes import encode_changes
from presage_server.items.keys import CATALOGUE_STREAM, CHANGES_FIELD
from presage_server.rpc.limits import MAX_BATCH
from presage_server.rpc.rare_methods import add_rare_methods

__all__ = ["RANKING_SERVICE_NAME", "CatalogueService"]

_logger = logging.getLogger(__name__)

RANKING_SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["RankingService"].full_name
_ITEMS_PER_STEP = 50
"""Items that are checked at once: other work of the loop waits meanwhile."""


class CatalogueService:
    """Serves UpsertItems.

    Args:
        redis: A client of the store.
        timeout_seconds: How long the store may take.
    """

    def __init__(self, redis: Redis, *, timeout_seconds: float) -> None:
        self._redis: Any = redis
        self._timeout_seconds = timeout_seconds

    def add_to(self, server: grpc.aio.Server) -> None:
        """Have a server serve it."""
        add_rare_methods(server, RANKING_SERVICE_NAME, {"UpsertItems": (pb.UpsertItemsRequest, self.upsert)})

    async def upsert(self, request: pb.UpsertItemsRequest) -> pb.UpsertItemsResponse:
        """Check a request's items and store the good ones, in the order of the request.

        Raises:
            RpcError: Nothing may be stored, or not all of it; the same call can be made again.
        """
        if len(request.items) > MAX_BATCH:
            raise InvalidRequestError(
                f"expected at most {MAX_BATCH} in one call, got {len(request.items)}", field="items"
            )
        found = await self._decode(request)
        await self._store([change for change in found if isinstance(change, CatalogueChange)])
        results = [
            pb.UpsertItemResult(code=outcome.code.value[0], message=str(outcome))
            if isinstance(outcome, RpcError)
            else pb.UpsertItemResult()
            for outcome in found
        ]
        return pb.UpsertItemsResponse(results=results)

    @staticmethod
    async def _decode(request: pb.UpsertItemsRequest) -> list[CatalogueChange | InvalidRequestError]:
        found: list[CatalogueChange | InvalidRequestError] = []
        for outcome in decode_changes(request.items):
            found.append(outcome)
            if len(found) % _ITEMS_PER_STEP == 0:
                await asyncio.sleep(0)
        return found

    async def _store(self, changes: list[CatalogueChange]) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                for encoded in encode_changes(changes):
                    await self._redis.xadd(CATALOGUE_STREAM, {CHANGES_FIELD: encoded})
        except OutOfMemoryError as error:
            raise StoreFullError("the store is out of memory") from error
        except ResponseError as error:
            _logger.error("UpsertItems: the store refuses: %s", str(error)[:200])  # noqa: TRY400 - no defect of ours
            raise StoreUnavailableError("the store rejected the items; see the server's log") from error
        except (RedisError, OSError) as error:  # a timeout is an OSError
            raise StoreUnavailableError("the store does not answer; make the same call again") from error
