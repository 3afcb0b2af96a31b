"""Which models serve the calls that name none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from presage_server.errors import ModelError
from presage_server.models.plan import Plan
from presage_server.settings import Settings

__all__ = ["choose_default", "choose_default_ranking", "pin_defaults"]


def choose_default(models: Mapping[str, object], given: str) -> str:
    """Choose the model of scores; raises ModelError if the given one, or else the usual one of several, is not among them."""
    return _choose(models, given, "conversion", "default_model")


def choose_default_ranking(models: Mapping[str, object], given: str) -> str:
    """Choose the model of rankings; raises ModelError as ``choose_default``."""
    return _choose(models, given, "ranking", "default_ranking_model")


def pin_defaults(settings: Settings, plan: Plan) -> Settings:
    """Name the defaults in the settings, so that a process that starts later, beside more models, has the same.

    Raises:
        ModelError: A default is not among the models.
    """
    scoring = {name: planned for name, planned in plan.models.items() if not planned.champion.ranks}
    ranking = {name: planned for name, planned in plan.models.items() if planned.champion.ranks}
    return replace(
        settings,
        default_model=choose_default(scoring, settings.default_model),
        default_ranking_model=choose_default_ranking(ranking, settings.default_ranking_model),
    )


def _choose(models: Mapping[str, object], given: str, usual: str, setting: str) -> str:
    """Choose the model of calls that name none: the given one, the usual one, or the only one; empty where there are no models."""
    chosen = given or (usual if usual in models or len(models) > 1 else next(iter(models), ""))
    if chosen and chosen not in models:
        raise ModelError(
            f"{setting}: expected one of {sorted(models)}, got {chosen!r}; name it with --{setting.replace('_', '-')}"
        )
    return chosen
