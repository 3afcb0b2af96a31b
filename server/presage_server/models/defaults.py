"""Which models serve the calls that name none."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from presage_server.errors import ModelError
from presage_server.models.kept_defaults import KeptDefaults, read_kept_defaults, write_kept_defaults
from presage_server.models.plan import Plan
from presage_server.settings import Settings

__all__ = ["choose_default", "choose_default_ranking", "keep_defaults", "pin_defaults"]

_logger = logging.getLogger(__name__)

_NONE_KEPT = KeptDefaults()


def choose_default(models: Iterable[str], given: str, kept: KeptDefaults = _NONE_KEPT) -> str:
    """Choose the model of scores; raises ModelError if the given one, or else the usual one of several, is not among them."""
    return _choose(models, given, kept.default_model, "conversion", "default_model")


def choose_default_ranking(models: Iterable[str], given: str, kept: KeptDefaults = _NONE_KEPT) -> str:
    """Choose the model of rankings; raises ModelError as ``choose_default``."""
    return _choose(models, given, kept.default_ranking_model, "ranking", "default_ranking_model")


def pin_defaults(settings: Settings, plan: Plan) -> Settings:
    """Name the defaults in the settings, so that a process that starts later, beside more models, has the same.

    Raises:
        ModelError: A default is not among the models.
    """
    kept = read_kept_defaults(settings.models)
    scoring, ranking = _by_kind(plan)
    return replace(
        settings,
        default_model=choose_default(scoring, settings.default_model, kept),
        default_ranking_model=choose_default_ranking(ranking, settings.default_ranking_model, kept),
    )


def keep_defaults(settings: Settings, plan: Plan, default: str, default_ranking: str) -> None:
    """Have the next start choose the same defaults, where the models that came since this one would let it choose others, or none.

    Args:
        settings: As they were given: what they name need not be kept.
        plan: What is served.
        default: The model of scores that name none.
        default_ranking: The model of rankings that name none.
    """
    try:
        kept = read_kept_defaults(settings.models)
    except ModelError as error:
        _logger.warning("the next start will fail: %s", error)
        return
    scoring, ranking = _by_kind(plan)
    wanted = kept
    if (
        not settings.default_model
        and default in scoring
        and _next(scoring, kept.default_model, "conversion") != default
    ):
        wanted = msgspec.structs.replace(wanted, default_model=default)
    if (
        not settings.default_ranking_model
        and default_ranking in ranking
        and _next(ranking, kept.default_ranking_model, "ranking") != default_ranking
    ):
        wanted = msgspec.structs.replace(wanted, default_ranking_model=default_ranking)
    if wanted != kept:
        write_kept_defaults(settings.models, wanted)


def _by_kind(plan: Plan) -> tuple[list[str], list[str]]:
    """Return the names of the models that score, and of those that rank."""
    scoring = [name for name, planned in plan.models.items() if not planned.champion.ranks]
    return scoring, [name for name in plan.models if name not in scoring]


def _next(models: Iterable[str], kept: str, usual: str) -> str:
    """Return which model the next start would choose; empty if none."""
    names = set(models)
    return next((name for name in (kept, usual) if name in names), "") or (names.pop() if len(names) == 1 else "")


def _choose(models: Iterable[str], given: str, kept: str, usual: str, setting: str) -> str:
    """Choose the model of calls that name none: the given, the kept, the usual or the only one; empty where there are no models."""
    names = set(models)
    chosen = given or _next(names, kept, usual) or (usual if names else "")
    if chosen and chosen not in names:
        raise ModelError(
            f"{setting}: expected one of {sorted(names)}, got {chosen!r}; name it with --{setting.replace('_', '-')}"
        )
    return chosen
