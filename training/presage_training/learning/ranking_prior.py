"""The prior of a ranking model: popular items first, whoever the visitor is; until there is a model, and for visitors held out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from presage_export.additive import AdditiveModel
from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.bundle.ranking_spec import RankingSpec
from presage_export.ranking_exporter import export_ranking_model
from presage_featurizer.ranking.definition import ranking_definition
from presage_featurizer.ranking.item_features import FAR
from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_featurizer.ranking.retrieval import SOURCES, RetrievalLimits
from presage_training.learning.prior import PRIOR_KIND, balanced_tree
from presage_training.ranking.exporting import table_arrays
from presage_training.ranking.planning import RankingOptions
from presage_training.ranking.tables import TableBuilder

__all__ = ["write_ranking_prior"]

_BY: Final = "popularity_rank"
_PLACES: Final = 200
"""Of the feature: items beyond have the place FAR."""


def write_ranking_prior(directory: Path) -> None:
    """Write a bundle, NAME/VERSION, that orders items by their place among the most popular ones of 7 days.

    It needs no data: servers count what is popular.

    Raises:
        ExportError: The folder is there already.
        OSError: The folder cannot be written.
    """
    column = list(PAIR_FEATURES).index(_BY)
    places = [*map(float, range(_PLACES)), FAR]
    tree = balanced_tree(column, places, [-place / _PLACES for place in places], [1.0] * len(places))
    rows = np.zeros((len(places), len(PAIR_FEATURES)), np.float32)
    rows[:, column] = places
    export_ranking_model(
        AdditiveModel(feature_count=len(PAIR_FEATURES), link="identity", intercept=0.0, trees=(tree,)),
        directory,
        rows=rows,
        groups=[len(rows)],
        arrays=table_arrays(TableBuilder().build(0)),
        feature_set=FeatureSetSpec(**ranking_definition()),
        ranking=RankingSpec(
            question="next-item",
            bucket_seconds=RankingOptions().bucket_seconds,
            limits=asdict(RetrievalLimits()),
            sources=SOURCES,
            label_gains=(0.0, 1.0),
            truncation_level=1,
            candidates_per_query=float(len(rows)),
            groups=(),
            items=0,
        ),
        objective="popularity",
        data={"kind": PRIOR_KIND},
    )
