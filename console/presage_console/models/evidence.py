"""What is shown of versions that needs more than the server: the comparison, the calibration, and what a learner did."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from presage_client import ModelKind, ModelSummary
from presage_console.console import Console
from presage_console.errors import RequestError, SourceError
from presage_console.models.calibration import describe_calibration
from presage_console.models.changing import Wanted
from presage_console.models.comparison import (
    comparable_versions,
    comparison_question,
    describe_comparison,
    usual_pair,
)
from presage_console.models.drawings import draw_learning
from presage_console.models.jobs import Answer, Measurements
from presage_console.models.learning import describe_learning
from presage_console.models.measurements import MeasuredCalibration, MeasuredComparison, Question
from presage_console.models.reading import find_model, read_details
from presage_console.rendering import render
from presage_export.registry import Verdict, read_verdicts

__all__ = ["known_comparison", "show_calibration", "show_comparison", "show_learning"]

_QUICK_SECONDS = 1.5
"""A page waits this long for a measurement; after that it shows that it is being made."""


async def show_comparison(request: Request) -> Response:
    """Answer GET /models/NAME/comparison, and /comparison/result, which is the result alone."""
    console: Console = request.app.state.console
    client = console.server.client
    model = await find_model(client, request.path_params["name"])
    choices = comparable_versions(model)
    pair = _asked_pair(request, choices) or usual_pair(model, choices)
    answer = None
    if console.archive is not None and pair is not None:
        details = await read_details(client, model.name, pair)
        question = comparison_question(console.archive, model, pair, details)
        answer = await _measured(request, question)
    if _still_waits(request, answer):
        return Response(status_code=204)
    measured = answer.measured if answer else None
    return render(
        request,
        "models/comparison_result.html" if request.url.path.endswith("/result") else "models/comparison.html",
        model_name=model.name,
        choices=choices,
        pair=pair,
        has_archive=console.archive is not None,
        pairs_share=model.aliases.pairs_share,
        answer=answer,
        view=describe_comparison(measured) if isinstance(measured, MeasuredComparison) else None,
        now=console.now(),
    )


async def show_calibration(request: Request) -> Response:
    """Answer GET /models/NAME/calibration, and /calibration/result, which is the result alone."""
    console: Console = request.app.state.console
    client = console.server.client
    model = await find_model(client, request.path_params["name"])
    ranks = model.kind is ModelKind.RANKING
    answer = None
    if console.archive is not None and not ranks:
        champion = await read_details(client, model.name, [model.aliases.champion])
        data = next(iter(champion.values())).training_data if champion else {}
        question = Question(archive=str(console.archive), model=model.name, target=data.get("target", ""))
        answer = await _measured(request, question)
    if _still_waits(request, answer):
        return Response(status_code=204)
    measured = answer.measured if answer else None
    order = [each.version for each in model.versions]
    return render(
        request,
        "models/calibration_result.html" if request.url.path.endswith("/result") else "models/calibration.html",
        model_name=model.name,
        ranks=ranks,
        has_archive=console.archive is not None,
        answer=answer,
        view=describe_calibration(measured, order) if isinstance(measured, MeasuredCalibration) else None,
        now=console.now(),
    )


async def show_learning(request: Request) -> Response:
    """Answer GET /models/NAME/learning."""
    console: Console = request.app.state.console
    client = console.server.client
    model = await find_model(client, request.path_params["name"])
    versions = [each.version for each in model.versions]
    verdicts: list[Verdict] = []
    if console.models is not None:
        # The name is one of the server's, so it leads nowhere else.
        folder = console.models / model.name
        try:
            verdicts = await asyncio.to_thread(read_verdicts, folder)
        except OSError as error:
            raise SourceError(f"{folder}: {error.strerror}; expected the server's folder of models") from error
    found = describe_learning(verdicts, await read_details(client, model.name, versions), versions)
    return render(
        request,
        "models/learning.html",
        model_name=model.name,
        learning=found,
        chart_of=draw_learning(found),
        has_models=console.models is not None,
        ranks=model.kind is ModelKind.RANKING,
    )


async def known_comparison(request: Request, model: ModelSummary, wanted: Wanted) -> MeasuredComparison | None:
    """Return the comparison of a version with the champion, if it was looked at before."""
    console: Console = request.app.state.console
    pair = (model.aliases.champion, wanted.version)
    if console.archive is None or not all(pair):
        return None
    details = await read_details(console.server.client, model.name, pair)
    try:
        known = _measurements(request).known(comparison_question(console.archive, model, pair, details))
    except SourceError:
        return None
    return known if isinstance(known, MeasuredComparison) else None


async def _measured(request: Request, question: Question) -> Answer:
    # The result alone is asked for again and again by pages that have shown that they wait.
    is_again = request.url.path.endswith("/result")
    return await _measurements(request).wait(question, 0.0 if is_again else _QUICK_SECONDS)


def _still_waits(request: Request, answer: Answer | None) -> bool:
    # Replaced by the same, the text of a page that waits would be read aloud again and again.
    return request.url.path.endswith("/result") and answer is not None and answer.measured is None


def _measurements(request: Request) -> Measurements:
    state = request.app.state
    if not hasattr(state, "measurements"):
        state.measurements = Measurements(state.console.now)
    found: Measurements = state.measurements
    return found


def _asked_pair(request: Request, choices: tuple[str, ...]) -> tuple[str, str] | None:
    pair = request.query_params.get("a", ""), request.query_params.get("b", "")
    if not any(pair):
        return None
    if not set(pair) <= set(choices) or pair[0] == pair[1]:
        raise RequestError(
            f"expected two different versions of {', '.join(choices)}, got {pair[0][:64]!r} and {pair[1][:64]!r}"
        )
    return pair
