"""The items that are like one item."""

from __future__ import annotations

import numpy as np

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.retrieval import similar_items
from presage_featurizer.ranking.workspace import Workspace
from presage_server.ranking.conditions import meeting
from presage_server.ranking.jobs import RankedItems, SimilarJob

__all__ = ["list_similar"]


def list_similar(job: SimilarJob, features: ItemFeatures, workspace: Workspace) -> None:
    similar_items(0, features, job.model.tables(features.items), job.model.limits, workspace)
