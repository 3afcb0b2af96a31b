"""``Explain``, as the pipeline serves it: decoded and read like GetFeatures, and then explained in another process."""

from __future__ import annotations

from functools import partial

from presage.v1 import model_service_pb2 as pb
from presage_server.call import Call
from presage_server.clock import Clock
from presage_server.errors import ModelNotFoundError, NotExplainedError
from presage_server.explaining.explainers import Explainers
from presage_server.models.model import Model
from presage_server.models.served import Models
from presage_server.pipeline.batch import Batch
from presage_server.rpc.decoding import decode_as_of, decode_message, decode_session_id, decode_user_id
from presage_server.rpc.registry import Method
from presage_server.scoring.jobs import FeaturesJob, Vector

__all__ = ["ExplainMethod"]

_PATH = f"/{pb.DESCRIPTOR.services_by_name['ModelService'].full_name}/Explain"


class ExplainMethod:
    """Serves Explain.

    Args:
        models: What is served.
        clock: Returns the time in microseconds.
        explainers: Explain vectors.
    """

    def __init__(self, *, models: Models, clock: Clock, explainers: Explainers) -> None:
        self._models = models
        self._clock = clock
        self._explainers = explainers

    def methods(self) -> list[Method]:
        """List the method."""
        return [Method(_PATH, decode=self._explain)]

    def find(self, name: str, version: str, user_id: str) -> Model:
        """Find the version of a model: the named one, or the one that would serve this visitor.

        Raises:
            ModelNotFoundError: No such model, or no such version of it, is loaded.
            NotExplainedError: The model ranks items.
        """
        try:
            served = self._models.served(name)
        except ModelNotFoundError:
            if name and any(model.name == name for model in self._models.ranking_models):
                raise NotExplainedError(
                    f"model: {name[:64]!r} ranks items, and only scores of visitors can be explained; name a model that scores"
                ) from None
            raise
        if not version:
            return self._models.route(name, user_id).model
        for model in served.versions:
            if model.version == version:
                return model
        loaded = [model.version for model in served.versions]
        raise ModelNotFoundError(f"expected one of {loaded}, which are loaded, got {version[:64]!r}", field="version")

    def _explain(self, call: Call, batch: Batch) -> None:
        request = decode_message(pb.ExplainRequest, call.request)
        user_id = decode_user_id(request.user_id)
        session_id = decode_session_id(request.session_id)
        now_unix_micros = decode_as_of(request.as_of_unix_micros, self._clock())
        model = self.find(request.model, request.version, user_id)
        respond = partial(self._respond, model)
        batch.features.append(FeaturesJob(call, user_id, session_id, model.feature_set, now_unix_micros, respond))

    def _respond(self, model: Model, job: FeaturesJob, vector: Vector) -> None:
        self._explainers.explain(job.call, model, vector, cold_start=job.cold_start)
