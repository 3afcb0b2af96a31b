from __future__ import annotations

from dataclasses import replace

import numpy as np
import redis

from benchmarks.peers.dataset import FEATURES, HASH_PREFIX, make_dataset
from benchmarks.peers.store import peers_store
from presage_featurizer import CONVERSION, featurize
from presage_server.models.loading import load_models
from presage_server.settings import shipped_models
from presage_server.store.keys import state_key
from presage_server.store.snapshot import read_snapshot


def test_samples_are_the_same_on_every_run_and_right(dataset):
    first, again = (list(made.samples(3, 20)) for made in (dataset, make_dataset(60)))
    model = load_models(shipped_models())[""]

    for one, other in zip(first, again, strict=True):
        assert one.user_ids == other.user_ids
        assert np.array_equal(one.rows, other.rows)
        assert one.scores.tolist() == model.predict(one.rows)
    assert len({sample.user_ids for sample in first}) == 20


def test_visitors_who_share_a_state_are_asked_about_and_stored_as_others(dataset, tmp_path):
    few = replace(dataset, visitors=100, states=dataset.states[:7], rows=dataset.rows[:7], scores=dataset.scores[:7])
    (sample,) = few.samples(400, 1)
    few.save(tmp_path / "rows.npz")
    saved = np.load(tmp_path / "rows.npz")

    assert len(set(sample.user_ids)) > 90
    assert list(saved["features"]) == list(FEATURES)
    rows = dict(zip(saved["user_ids"].tolist(), saved["rows"].tolist(), strict=True))
    with peers_store() as store, redis.Redis.from_url(store.url) as client:
        few.fill(store.url)
        assert client.dbsize() == 2 * 100
        for user_id, row in zip(sample.user_ids, sample.rows.tolist(), strict=True):
            state = read_snapshot(client.get(state_key(user_id))).state
            assert featurize(state, few.as_of_unix_micros, CONVERSION).tolist() == row == rows[user_id]
            assert [float(value) for value in client.hmget(f"{HASH_PREFIX}{user_id}", FEATURES)] == row
