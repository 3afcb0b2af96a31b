"""Feast's registry and online store, filled with the visitors' features: ``python feast_repo.py`` in the server's folder."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float32

__all__ = ["PLAIN", "READY"]

PLAIN = "plain"
"""The service whose features are read one by one."""
READY = "precomputed"
"""The service whose features are ready in one value."""

_SETTINGS = """\
project: peers
provider: local
registry: {{path: registry.db, cache_ttl_seconds: 0}}
online_store: {{type: redis, connection_string: "127.0.0.1:{port}"}}
offline_store: {{type: dask}}
entity_key_serialization_version: 3
"""
_ROWS_AT_ONCE = 2_000


def main() -> None:
    """Describe the features, then write them."""
    Path("feature_store.yaml").write_text(_SETTINGS.format(port=os.environ["PEER_REDIS_PORT"]))
    loaded = np.load(os.environ["PEER_ROWS"])
    names = [str(name) for name in loaded["features"]]
    now = datetime.now(tz=UTC)
    frame = pd.DataFrame(loaded["rows"], columns=names)
    frame.insert(0, "user_id", [str(user_id) for user_id in loaded["user_ids"]])
    frame["event_timestamp"] = now
    frame.head(1).to_parquet(
        "source.parquet"
    )  # a source that nothing is read from: the values go straight to the store

    store = FeatureStore(".")
    visitor = Entity(name="visitor", join_keys=["user_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="conversion",
        entities=[visitor],
        ttl=timedelta(0),
        schema=[Field(name=name, dtype=Float32) for name in names],
        source=FileSource(path="source.parquet", timestamp_field="event_timestamp"),
    )
    services = [
        FeatureService(name=PLAIN, features=[view]),
        FeatureService(name=READY, features=[view], precompute_online=True),
    ]
    store.apply([visitor, view, *services])
    for start in range(0, len(frame), _ROWS_AT_ONCE):
        store.write_to_online_store("conversion", frame.iloc[start : start + _ROWS_AT_ONCE])
    store.precompute_feature_service(READY)


if __name__ == "__main__":
    main()
