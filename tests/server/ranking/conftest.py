"""A shop whose visitors are in the store, and a server that ranks its items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from presage_featurizer import encode_state
from presage_server.models.loading import load_models
from presage_server.models.served import Models
from presage_server.store.snapshot import REVISION_BYTES
from support.pipelines import LocalPipeline, local_pipeline
from support.rankings import VISITORS, Shop, a_shop, write_ranking_bundle
from support.stores import LocalStore, opened


@pytest.fixture(scope="session")
def ranking_folder(tmp_path_factory) -> Path:
    """A folder with one ranking model, ``ranking`` version 1."""
    directory = tmp_path_factory.mktemp("ranking-models")
    write_ranking_bundle(directory)
    return directory


@pytest.fixture(scope="session")
def ranking_models(ranking_folder) -> Models:
    return load_models(ranking_folder)


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def shop_store(store, shop) -> LocalStore:
    """A store that holds the shop's visitors."""
    for number in range(VISITORS):
        user_id = f"visitor-{number}"
        store.set_blob(user_id, bytes(REVISION_BYTES) + encode_state(shop.state_of(user_id)))
    return store


@pytest.fixture
def server(shop_store, ranking_models, shop) -> Iterator[LocalPipeline]:
    with opened(shop_store) as view, local_pipeline(view, ranking_models, items=shop.columns) as local:
        yield local
