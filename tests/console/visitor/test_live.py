"""What the page of a visitor asks a server for: nothing that counts as shown."""

from __future__ import annotations

import time

from presage_client import ClientOptions
from presage_client.aio import AsyncClient
from presage_console.visitor.live import ask
from presage_featurizer.event_log import decode_exposure
from support.rankings import write_ranking_bundle
from support.running_server import serving, track


async def test_looking_at_a_visitor_leaves_no_ranking_in_the_log(store, tmp_path):
    write_ranking_bundle(tmp_path)
    async with (
        serving(redis_url=store.url, models=tmp_path, exposures_share=1.0, timeout_ms=20_000) as served,
        AsyncClient(served.address, options=ClientOptions(timeout_ms=20_000)) as client,
    ):
        await served.stub.TrackEvent(track("ada", "1"))
        looked = await ask(client, "ada", model="", feature_set="", now_unix_micros=time.time_ns() // 1_000)
        assert looked.ranking is not None, looked.ranking_problem
        shown = await client.rank("ada", k=5)
    logged = [decode_exposure(entry[b"exposure"]) for entry in store.stream("ada") if b"exposure" in entry]
    assert [exposure.rank_id for exposure in logged] == [shown.rank_id]
