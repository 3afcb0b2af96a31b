"""Feast's registry and online store, with the features of visitors and of items: ``python feast_repo.py`` in its folder."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
    """Describe the features, then write them: those of visitors and those of items, whichever there are."""
    Path("feature_store.yaml").write_text(_SETTINGS.format(port=os.environ["PEER_REDIS_PORT"]))
    store = FeatureStore(".")
    if Path(os.environ["PEER_ROWS"]).exists():
        write(store, "conversion", "user_id", np.load(os.environ["PEER_ROWS"]), (PLAIN, READY))
    if Path(os.environ["PEER_ITEMS"]).exists():
        write(store, "items", "item_id", np.load(os.environ["PEER_ITEMS"]), (f"items_{PLAIN}", f"items_{READY}"))


def write(store: FeatureStore, view_name: str, key: str, loaded: Any, services: tuple[str, str]) -> None:
    """Describe one view and its two services, and write its rows.

    Args:
        store: The store.
        view_name: The view's name.
        key: The name of the ids, of which ``loaded`` has the plural.
        loaded: The ids, the features' names, and the rows.
        services: Whose features are read one by one, and whose are ready in one value.
    """
    names = [str(name) for name in loaded["features"]]
    frame = pd.DataFrame(loaded["rows"], columns=names)
    frame.insert(0, key, [str(found) for found in loaded[f"{key}s"]])
    frame["event_timestamp"] = datetime.now(tz=UTC)
    # A source that nothing is read from: the values go straight to the store.
    frame.head(1).to_parquet(f"{view_name}.parquet")
    entity = Entity(name=key.removesuffix("_id"), join_keys=[key], value_type=ValueType.STRING)
    view = FeatureView(
        name=view_name,
        entities=[entity],
        ttl=timedelta(0),
        schema=[Field(name=name, dtype=Float32) for name in names],
        source=FileSource(path=f"{view_name}.parquet", timestamp_field="event_timestamp"),
    )
    plain, ready = services
    described = [
        FeatureService(name=plain, features=[view]),
        FeatureService(name=ready, features=[view], precompute_online=True),
    ]
    store.apply([entity, view, *described])
    for start in range(0, len(frame), _ROWS_AT_ONCE):
        store.write_to_online_store(view_name, frame.iloc[start : start + _ROWS_AT_ONCE])
    store.precompute_feature_service(ready)


if __name__ == "__main__":
    main()
