"""Rankings of two servers under a crowd of clients replay bit for bit, though the process that counts items is killed."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import subprocess
import sysconfig
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from redis import Redis

from presage.v1 import event_pb2, ranking_service_pb2_grpc, scoring_service_pb2, scoring_service_pb2_grpc
from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer import CONVERSION, MICROS, VISITOR, State, decode_event
from presage_featurizer.event_log import PARTITIONS, Entry, Exposure, decode_exposure, last_event_of, stream_key
from presage_featurizer.ranking.assembling import Circumstances, context_of
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import BucketCounter, Place
from presage_featurizer.ranking.placements import Placements
from presage_featurizer.ranking.retrieval import SOURCES, RetrievalLimits, retrieve
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_server.items.changes import ChangesReader
from presage_server.models.loading import load_models
from presage_training.ranking.recomputing import recompute
from support.bundles import write_small_bundle
from support.rankings import ITEMS, an_item, item_id, write_ranking_bundle
from support.running_server import GENEROUS_SECONDS, server_process

SESSIONS, CLIENTS, VISITORS = 2_000, 16, 900
EVENTS_PER_SESSION = 4
SESSIONS_PER_CHANGE = 20
BUCKET_SECONDS = 1
KILLS = 4
KINDS = [2] * 6 + [6, 6, 13, 4]
"""VIEW_ITEM most often, then ADD_TO_CART, PURCHASE and SELECT_ITEM."""
PLACEMENTS = """
[everywhere]
max_per_category = 4

[home]
diversity = 0.3
exploration = { slots = [2, 5], epsilon = 0.5 }

[cart]
cheaper_alternatives = 3
exploration = { slots = [3], method = "thompson" }
"""
COUNTRIES = ("DE", "FR")
SHARE_NEW = 0.2
"""Of sessions: those of visitors who see no item, but for lists of what is popular."""
ENDLESS_MILLIS = 2**62


class FollowerProcess:
    """``presage items follow`` as a process that can be killed and started again."""

    def __init__(self, url: str, log: Path) -> None:
        self._url = url
        self._log = log
        self.starts = 0
        self.start()

    def start(self) -> None:
        command = [Path(sysconfig.get_path("scripts"), "presage"), "items", "follow", "--redis-url", self._url]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
        with self._log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [*command, "--bucket-seconds", str(BUCKET_SECONDS)],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        self.starts += 1

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def item_follower(url: str, log: Path) -> Iterator[FollowerProcess]:
    follower = FollowerProcess(url, log)
    try:
        yield follower
    finally:
        follower.kill()


class Shopper:
    """One client: its sessions, one after another, on its own connections to a server."""

    def __init__(self, channel: grpc.aio.Channel, seed: str) -> None:
        self._scoring = scoring_service_pb2_grpc.ScoringServiceStub(channel)
        self._ranking = ranking_service_pb2_grpc.RankingServiceStub(channel)
        self._random = random.Random(seed)
        self.responses: dict[str, pb.RankResponse | pb.NextItemsResponse] = {}
        self.epochs: set[int] = set()
        self.countries: dict[str, str] = {}
        """By the id of each list whose items Presage found, none of which was left out: the country that the call named."""

    async def go_through(self, session: int) -> None:
        rng = self._random
        if session % SESSIONS_PER_CHANGE == 0:
            await self._change_the_catalogue()
        visitor = rng.randrange(VISITORS)
        is_new = rng.random() < SHARE_NEW
        user_id = f"newcomer-{session}" if is_new else f"visitor-{visitor}"
        for step in range(EVENTS_PER_SESSION):
            items = [an_item(rng.randrange(ITEMS)) for _ in range(0 if is_new else rng.choice([1, 1, 1, 3]))]
            country = COUNTRIES[visitor % len(COUNTRIES)] if rng.random() < 0.8 else ""
            event = event_pb2.Event(
                event_id=f"{session}-{step}", type=1 if is_new else rng.choice(KINDS), user_id=user_id, country=country
            )
            for item in items:
                event.items.add(
                    item_id=item.item_id, category=item.category, brand=item.brand, price=item.price_micros / MICROS
                )
            await self._scoring.TrackEvent(scoring_service_pb2.TrackEventRequest(event=event), timeout=GENEROUS_SECONDS)
            if rng.random() < 0.6:
                await self._rank(user_id, step)

    async def _change_the_catalogue(self) -> None:
        rng, request = self._random, pb.UpsertItemsRequest()
        for number in rng.sample(range(ITEMS), 5):
            item = request.items.add(item_id=item_id(number))
            if rng.random() < 0.5:
                item.price = rng.choice([0.0, 4.99, 75.0, 320.0])
            if rng.random() < 0.5:
                item.stock = rng.choice([0, 1, 1_000])
            if rng.random() < 0.4:
                item.category = rng.choice(["", "of the catalogue", an_item(rng.randrange(ITEMS)).category])
            if rng.random() < 0.3:
                item.blocked = rng.random() < 0.5
        response = await self._ranking.UpsertItems(request, timeout=GENEROUS_SECONDS)
        assert [result.message for result in response.results] == [""] * len(request.items)

    async def _rank(self, user_id: str, step: int) -> None:
        rng = self._random
        context = pb.RankContext(
            placement=rng.choice(["", "home", "cart"]),
            anchor_item_id=rng.choice(["", item_id(rng.randrange(ITEMS)), "unknown"]),
            exclude=rng.sample([1, 2, 3, 4], rng.randrange(3)),
            country_code=rng.choice(["", "", *COUNTRIES]),
        )
        if rng.random() < 0.4:
            context.budget = rng.choice([0.0, 60.0, 250.0])
        if rng.random() < 0.2:
            response = await self._ranking.NextItems(
                pb.NextItemsRequest(user_id=user_id, context=context, k=8), timeout=GENEROUS_SECONDS
            )
        else:
            request = pb.RankRequest(user_id=user_id, context=context)
            if rng.random() < 0.6:
                ids = [item_id(number) for number in rng.sample(range(ITEMS), 40)] + ["cold-1", "cold-2"]
                rng.shuffle(ids)
                request.candidate_ids.extend(ids)
            response = await self._ranking.Rank(request, timeout=GENEROUS_SECONDS)
            if not request.candidate_ids and not context.exclude:
                self.countries[response.rank_id] = context.country_code
        self.responses[response.rank_id] = response
        self.epochs.add(response.basis.epoch)
        if step % 2 and response.items:
            shown = event_pb2.Event(event_id=f"list-{response.rank_id}", type=3, user_id=user_id)
            for place, item in enumerate(response.items[:5], 1):
                shown.items.add(
                    item_id=item.item_id, position=place, rank_id=response.rank_id, propensity=item.propensity
                )
            await self._scoring.TrackEvent(scoring_service_pb2.TrackEventRequest(event=shown), timeout=GENEROUS_SECONDS)


async def send_crowded(
    addresses: list[str], follower: FollowerProcess
) -> tuple[dict[str, pb.RankResponse | pb.NextItemsResponse], dict[str, str]]:
    """Return the responses, and the countries of those lists whose items Presage found."""
    async with AsyncExitStack() as stack:
        shoppers = [
            Shopper(
                await stack.enter_async_context(
                    grpc.aio.insecure_channel(
                        addresses[place % len(addresses)], options=[("grpc.use_local_subchannel_pool", 1)]
                    )
                ),
                f"shopper {place}",
            )
            for place in range(CLIENTS)
        ]
        done = 0

        async def shop(place: int) -> None:
            nonlocal done
            for session in itertools.count(place, CLIENTS):
                # A fast server is done before the follower, killed again and again, has closed enough buckets.
                if session >= SESSIONS and len(set().union(*[shopper.epochs for shopper in shoppers])) > KILLS:
                    break
                await shoppers[place].go_through(session)
                done += 1

        async def kill_the_follower() -> None:
            for kill in range(1, KILLS + 1):
                while done < kill * SESSIONS // (KILLS + 1):  # noqa: ASYNC110 - of other tasks
                    await asyncio.sleep(0.02)
                follower.kill()
                follower.start()

        async with asyncio.TaskGroup() as group:
            for place in range(CLIENTS):
                group.create_task(shop(place))
            group.create_task(kill_the_follower())
        responses = {rank_id: response for shopper in shoppers for rank_id, response in shopper.responses.items()}
        return responses, {rank_id: country for shopper in shoppers for rank_id, country in shopper.countries.items()}


class EventLog:
    """The streams of a store, read whole: visitors after each of their events, exposures, and what counts of items are made of."""

    def __init__(self, redis: Redis) -> None:
        self.states: dict[str, dict[bytes, State]] = defaultdict(dict)
        self.exposures: list[Exposure] = []
        self.counter = BucketCounter(BUCKET_SECONDS * MICROS)
        self.changes = 0
        newest: dict[str, State] = {}
        for partition in range(PARTITIONS):
            for entry_id, fields in redis.xrange(stream_key(partition)):
                entry = Entry.parse(partition, entry_id, fields)
                if entry.event:
                    event = decode_event(entry.event)
                    state = newest[event.user_id] = VISITOR.fold(newest.get(event.user_id), event)
                    self.states[event.user_id][last_event_of(state)] = state
                    place = Place(entry.entry_id.unix_millis * 1_000, entry.entry_id.sequence, partition)
                    self.counter.add(event, place)
                elif b"exposure" in fields:
                    self.exposures.append(decode_exposure(fields[b"exposure"]))
        changes = ChangesReader(redis)
        while found := changes.read(ENDLESS_MILLIS):
            for each in found:
                self.changes += len(each.changes)
                for change in each.changes:
                    self.counter.add_change(change, each.place)

    def columns(self) -> Iterator[ItemColumns]:
        """The same columns as of each epoch that exposures name, in order."""
        columns = ItemColumns(BUCKET_SECONDS * MICROS)
        for epoch in sorted({exposure.epoch for exposure in self.exposures}):
            if epoch >= 0:
                for number in [number for number in self.counter.open_buckets if number < epoch]:
                    columns.apply(self.counter.close(number))
                columns.apply(self.counter.close(epoch))
            yield columns


def found_again(
    exposure: Exposure,
    country: str,
    state: State | None,
    features: ItemFeatures,
    tables: RankingTables,
    *,
    limits: RetrievalLimits,
    least: int,
) -> bool:
    """Find the candidates of a list again; return whether they are those that were logged, besides the rules' own."""
    circumstances = Circumstances(
        exposure.as_of_unix_micros, exposure.session_id, exposure.anchor, exposure.budget_micros, country
    )
    found = retrieve(context_of(state, circumstances, features, tables, Workspace()), limits, least)
    numbers = [pb.ItemSource.Value(f"ITEM_SOURCE_{SOURCES[source].upper()}") for source in found.sources]
    expected = dict(zip(features.items.digests[found.rows].tolist(), numbers, strict=True))
    logged = dict(zip(exposure.digests.tolist(), exposure.sources, strict=True))
    others = {logged[digest] for digest in logged.keys() - expected.keys()}
    added = {pb.ITEM_SOURCE_POPULAR, pb.ITEM_SOURCE_RULE, pb.ITEM_SOURCE_EXPLORATION}
    return expected.items() <= logged.items() and others <= added


async def until_logged(redis: Redis, count: int) -> None:
    deadline = time.monotonic() + GENEROUS_SECONDS
    while time.monotonic() < deadline:
        if len(EventLog(redis).exposures) >= count:
            return
        await asyncio.sleep(0.1)


@pytest.mark.timeout(300)
async def test_every_ranking_can_be_computed_again_bit_for_bit(store, tmp_path):
    models, placements = tmp_path / "models", tmp_path / "placements.toml"
    write_small_bundle(models, name="conversion", feature_set=CONVERSION)
    write_ranking_bundle(models)
    placements.write_text(PLACEMENTS)
    flags = ("--redis-url", store.url, "--models", str(models), "--placements", str(placements))
    flags += ("--stream-max-events", "0", "--exposures-share", "1", "--sample-vectors-share", "1")
    flags += ("--no-follow-items", "--item-bucket-seconds", str(BUCKET_SECONDS))
    with (
        item_follower(store.url, tmp_path / "follower.log") as follower,
        server_process(tmp_path / "a.log", *flags) as one,
        server_process(tmp_path / "b.log", *flags) as other,
        Redis.from_url(store.url) as redis,
    ):
        responses, countries = await send_crowded([one.address, other.address], follower)
        await until_logged(redis, len(responses))
        log = EventLog(redis)
    model = load_models(models, "", None).ranking("")
    tables = RankingTables.restore(model.bundle.arrays)
    rules = Placements.parse(PLACEMENTS, "placements.toml")
    workspace, by_epoch = Workspace(), defaultdict(list)
    for exposure in log.exposures:
        by_epoch[exposure.epoch].append(exposure)
    differences, lists_by_country = [], 0
    for columns in log.columns():
        features, bound = ItemFeatures(columns), tables.bound(columns)
        for exposure in by_epoch[columns.epoch]:
            state = log.states[exposure.user_id][exposure.last_event] if exposure.last_event else None
            again = recompute(
                exposure,
                state,
                features,
                bound,
                score=model.scores,
                placement=rules[exposure.placement],
                workspace=workspace,
            )
            differences += [(exposure.rank_id, exposure.epoch, name) for name in again.differences(exposure)]
            if (country := countries.get(exposure.rank_id)) is not None:
                least = model.limits.popular if rules[exposure.placement].chooses else exposure.k
                if not found_again(exposure, country, state, features, bound, limits=model.limits, least=least):
                    differences.append((exposure.rank_id, exposure.epoch, "candidates"))
                lists_by_country += pb.ITEM_SOURCE_POPULAR_IN_COUNTRY in exposure.sources
            assert exposure.features or not exposure.digests.size
    assert differences == []
    assert {exposure.rank_id for exposure in log.exposures} == responses.keys()
    assert len(responses) > SESSIONS
    assert lists_by_country > 20
    assert log.changes == SESSIONS // SESSIONS_PER_CHANGE * 5
    assert any(np.frombuffer(exposure.blocked, np.uint8).any() for exposure in log.exposures)
    assert (
        len({price for exposure in log.exposures for price in np.frombuffer(exposure.prices, "<f8")} & {4.99, 320.0})
        == 2
    )
    assert len(by_epoch) > KILLS
    assert follower.starts == KILLS + 1
    assert sum(item.propensity < 1.0 for response in responses.values() for item in response.items) > SESSIONS / 10
    assert any(item.cold for response in responses.values() for item in response.items)
