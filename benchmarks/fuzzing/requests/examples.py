"""Correct requests of every method, from which mutated ones are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from benchmarks.fuzzing.protobuf.values import Vocabulary
from benchmarks.fuzzing.requests.methods import METHODS
from benchmarks.ranking.shop import item_id
from presage.v1 import event_pb2, prediction_pb2
from presage.v1 import model_service_pb2 as models_pb
from presage.v1 import ranking_service_pb2 as ranking_pb
from presage.v1 import scoring_service_pb2 as scoring_pb
from presage_featurizer import CONVERSION

__all__ = ["KNOWN_USER", "Subjects", "examples_of", "vocabulary_of"]

KNOWN_USER = "nobody mutates this one"
"""The visitor whose scores show that all is as before."""
_MINUTE_MICROS = 60_000_000
_MANY = 40


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """What requests are about."""

    users: Sequence[str]
    items: int
    """The items of the catalogue are those of ``benchmarks.ranking.shop``, so many."""
    models: Sequence[str]
    versions: Sequence[str]
    now_unix_micros: int
    """At most the time of the server's clock."""


def vocabulary_of(subjects: Subjects) -> Vocabulary:
    """Return the usual texts of fields, by their names."""
    items = [item_id(number) for number in range(0, subjects.items, max(1, subjects.items // 50))]
    models = ("", *subjects.models, "none")
    versions = ("", *subjects.versions, "99")
    words = {
        "user_id": subjects.users,
        "session_id": ("", "tab-1", "tab-2"),
        "event_id": ("", *(f"e{number}" for number in range(500))),
        "order_id": ("", "order-1", "order-2"),
        "item_id": items,
        "candidate_ids": items,
        "anchor_item_id": items,
        "category": ("", "category-0", "category-1"),
        "categories": ("category-0", "category-1"),
        "brand": ("", "brand-0", "brand-1"),
        "brands": ("brand-0", "brand-1"),
        "tags": ("new", "sale"),
        "country": ("", "GB", "DE"),
        "country_code": ("", "GB", "DE"),
        "currency": ("", "EUR"),
        "model": models,
        "version": versions,
        "champion": versions,
        "challenger": versions,
        "shadow": versions,
        "prior": versions,
        "feature_set": ("", CONVERSION.name, "core"),
        "names": CONVERSION.features,
        "placement": ("", "home", "cart"),
        "key": ("margin", "hits", "channel"),
        "service": ("", "presage.v1.ScoringService"),
        "list_services": ("",),
        "file_by_filename": ("presage/v1/event.proto",),
        "file_containing_symbol": ("presage.v1.Event", "presage.v1.ScoringService"),
    }
    return Vocabulary(now_unix_micros=subjects.now_unix_micros, words=MappingProxyType(words))


def examples_of(subjects: Subjects, *, seed: int = 1) -> Mapping[str, Sequence[bytes]]:
    """Make correct requests of every method, by its path."""
    maker = _Maker(subjects, Random(seed))
    made = {
        "TrackEvent": [
            scoring_pb.TrackEventRequest(event=event, score=score, include_features=score, include_timings=score)
            for score in (False, True)
            for event in maker.events()
        ],
        "TrackEvents": [scoring_pb.TrackEventsRequest(events=maker.events()[:count]) for count in (0, 1, 3, 12)],
        "Score": maker.scores(),
        "ScoreBatch": [
            scoring_pb.ScoreBatchRequest(targets=maker.targets(count), include_features=count < _MANY)
            for count in (0, 1, 5, _MANY)
        ],
        "ScoreVectors": [scoring_pb.ScoreVectorsRequest(vectors=maker.vectors(count)) for count in (0, 1, 4)],
        "GetFeatures": [
            scoring_pb.GetFeaturesRequest(user_id=maker.user(), as_of_unix_micros=subjects.now_unix_micros),
            scoring_pb.GetFeaturesRequest(user_id=maker.user(), feature_set=CONVERSION.name, session_id="tab-1"),
        ],
        "Rank": maker.ranks(),
        "NextItems": [
            ranking_pb.NextItemsRequest(user_id=maker.user()),
            ranking_pb.NextItemsRequest(user_id=maker.user(), k=5, context=maker.context(), session_id="tab-1"),
        ],
        "SimilarItems": [
            ranking_pb.SimilarItemsRequest(item_id=maker.item()),
            ranking_pb.SimilarItemsRequest(item_id=maker.item(), k=7, filter=maker.context().filter),
        ],
        "UpsertItems": [ranking_pb.UpsertItemsRequest(items=maker.catalogue(count)) for count in (0, 1, 5)],
        "ListItems": [
            ranking_pb.ListItemsRequest(k=5),
            ranking_pb.ListItemsRequest(item_ids=sorted({maker.item() for _ in range(5)})),
        ],
        "ListModels": [models_pb.ListModelsRequest()],
        "GetModel": [
            models_pb.GetModelRequest(model=model, version=version)
            for model in ("", *subjects.models)
            for version in ("", *subjects.versions)
        ],
        "SetAliases": maker.aliases(),
        "Explain": [
            models_pb.ExplainRequest(user_id=maker.user()),
            models_pb.ExplainRequest(
                user_id=maker.user(),
                session_id="tab-1",
                model=subjects.models[0],
                version=subjects.versions[0],
                as_of_unix_micros=subjects.now_unix_micros,
            ),
        ],
        "Check": [health_pb2.HealthCheckRequest(service=name) for name in ("", "presage.v1.ScoringService")],
        "ServerReflectionInfo": [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="presage.v1.ModelService"),
            reflection_pb2.ServerReflectionRequest(file_by_filename="presage/v1/event.proto"),
        ],
    }
    return {method.path: [_encode(message) for message in made[method.name]] for method in METHODS}


def _encode(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


class _Maker:
    """Makes parts of requests."""

    def __init__(self, subjects: Subjects, random: Random) -> None:
        self._subjects = subjects
        self._random = random

    def user(self) -> str:
        return self._random.choice(self._subjects.users)

    def item(self) -> str:
        return item_id(self._random.randrange(self._subjects.items))

    def events(self) -> list[event_pb2.Event]:
        """Make one event of each type."""
        now = self._subjects.now_unix_micros
        made = []
        for place, kind in enumerate(event_pb2.EventType.values()[1:]):
            event = event_pb2.Event(type=kind, user_id=self.user(), event_time_unix_micros=now - place * _MINUTE_MICROS)
            if place % 3:
                event.event_id, event.session_id, event.country = f"e{place}", f"tab-{place % 4}", "GB"
                event.device = place % 5
                event.numbers["margin"] = 4.5 * place
                event.labels["channel"] = "email"
            for _ in range(place % 4):
                event.items.append(self._event_item(place))
            if place % 5 == 2:
                event.order_id, event.value, event.currency = f"order-{place}", 25.0, "EUR"
            made.append(event)
        return made

    def _event_item(self, place: int) -> event_pb2.Item:
        item = event_pb2.Item(item_id=self.item(), category="category-0", brand="brand-1", price=19.99)
        if place % 2:
            item.quantity, item.position, item.rank_id, item.propensity = 2, 3, "0" * 32, 0.5
        return item

    def scores(self) -> list[scoring_pb.ScoreRequest]:
        now = self._subjects.now_unix_micros
        return [
            scoring_pb.ScoreRequest(user_id=self.user()),
            scoring_pb.ScoreRequest(user_id=self.user(), session_id="tab-1", model=self._subjects.models[0]),
            scoring_pb.ScoreRequest(
                user_id=self.user(), as_of_unix_micros=now, include_features=True, include_timings=True
            ),
            scoring_pb.ScoreRequest(user_id="nobody", as_of_unix_micros=now + 86_400_000_000),
        ]

    def targets(self, count: int) -> list[scoring_pb.ScoreTarget]:
        return [scoring_pb.ScoreTarget(user_id=self.user(), session_id=f"tab-{place % 3}") for place in range(count)]

    def vectors(self, count: int) -> list[prediction_pb2.FeatureVector]:
        width = len(CONVERSION.features)
        made = [
            prediction_pb2.FeatureVector(values=[self._random.uniform(0, 50) for _ in range(width)])
            for _ in range(count)
        ]
        for vector in made[1:2]:
            vector.feature_set = CONVERSION.name
            vector.names.extend(CONVERSION.features)
        return made

    def context(self) -> ranking_pb.RankContext:
        return ranking_pb.RankContext(
            placement="",
            budget=50.0,
            anchor_item_id=self.item(),
            filter=ranking_pb.ItemFilter(
                categories=["category-0", "category-1"], brands=[], min_price=0.0, max_price=500.0
            ),
            exclude=[ranking_pb.EXCLUSION_CURRENT, ranking_pb.EXCLUSION_CART],
            country_code="GB",
        )

    def ranks(self) -> list[ranking_pb.RankRequest]:
        candidates = list(dict.fromkeys(self.item() for _ in range(_MANY)))
        return [
            ranking_pb.RankRequest(
                user_id=self.user(), candidate_ids=candidates, k=5, include_timings=True, preview=True
            ),
            ranking_pb.RankRequest(
                user_id=self.user(), candidate_ids=[*candidates[:4], "unknown"], include_features=True
            ),
            ranking_pb.RankRequest(user_id=self.user(), k=10, context=self.context(), session_id="tab-2"),
            ranking_pb.RankRequest(user_id=self.user(), as_of_unix_micros=self._subjects.now_unix_micros),
        ]

    def catalogue(self, count: int) -> list[ranking_pb.CatalogueItem]:
        return [
            ranking_pb.CatalogueItem(
                item_id=self.item(),
                price=10.0 + place,
                category="category-0",
                brand="brand-1",
                tags=["new", "sale"],
                stock=place,
                blocked=place == 1,
                first_seen_unix_micros=self._subjects.now_unix_micros,
            )
            for place in range(count)
        ]

    def aliases(self) -> list[models_pb.SetAliasesRequest]:
        first, second = self._subjects.versions[0], self._subjects.versions[-1]
        rules = models_pb.RollbackRules(
            window_seconds=60.0,
            min_scores=1_000,
            max_error_share=0.01,
            max_latency_ratio=3.0,
            max_default_share_difference=0.1,
            max_score_shift=0.2,
            paired_alpha=0.01,
        )
        made = [
            models_pb.Aliases(champion=first, revision=0),
            models_pb.Aliases(champion=second, challenger=first, challenger_share=0.3, salt="salt", rollback=rules),
            models_pb.Aliases(champion=first, shadow=second, pairs_share=0.5, holdout_share=0.1, revision=1),
        ]
        return [models_pb.SetAliasesRequest(aliases=one, changed_by="fuzzer", reason="to see") for one in made]
