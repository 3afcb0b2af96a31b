"""From a visitor's stored state to an explained score. Pure work, for a thread of its own."""

from __future__ import annotations

import numpy as np

from presage.v1 import model_service_pb2 as pb
from presage_export.bundle import NotExplainableError
from presage_featurizer import NewerStateError, StateError, featurize
from presage_featurizer.wording import describe_contribution
from presage_server.errors import NotExplainedError, StateTooNewError, UnreadableStateError
from presage_server.models.model import Model
from presage_server.store.snapshot import read_state

__all__ = ["explain_blob"]


def explain_blob(blob: bytes | None, model: Model, now_unix_micros: int, session_id: str) -> pb.ExplainResponse:
    """Explain the score that a visitor would get.

    Args:
        blob: What is stored of the visitor; None for nothing.
        model: The version to explain.
        now_unix_micros: The moment.
        session_id: The session; empty for the most recent one that is not idle.

    Raises:
        NotExplainedError: The bundle lacks what is needed.
        UnreadableStateError: The state cannot be read.
        StateTooNewError: A newer release wrote the state.
    """
    feature_set = model.feature_set
    state = read_state(blob, feature_set.needs)
    if isinstance(state, StateError):
        error = StateTooNewError if isinstance(state, NewerStateError) else UnreadableStateError
        raise error(str(state))
    row = featurize(state, now_unix_micros, feature_set, session_id=session_id)
    try:
        explanation = model.bundle.explain(row)
    except NotExplainableError as error:
        raise NotExplainedError(
            f"the scores of {model.name} version {model.version} cannot be explained: {error}"
        ) from error
    values = zip(feature_set.features, row.tolist(), explanation.contributions.tolist(), strict=True)
    return pb.ExplainResponse(
        score=model.predict(row[np.newaxis])[0],
        model=model.name,
        model_version=model.version,
        margin=explanation.margin,
        base_margin=explanation.base_margin,
        contributions=[
            pb.Contribution(
                feature=name,
                value=value,
                contribution=contribution,
                reason=describe_contribution(feature_set, name, value, contribution),
            )
            for name, value, contribution in values
        ],
        method=explanation.method,
        cold_start=state is None,
    )
