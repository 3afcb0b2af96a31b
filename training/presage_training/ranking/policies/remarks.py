"""Warnings about estimates that say less than they seem to."""

from __future__ import annotations

from presage_training.ranking.policies.off_policy import PolicyEstimate

__all__ = ["remarks"]

_LEAST_EFFECTIVE = 100
_LEAST_SUPPORT = 0.95
_LARGEST_SHARE = 0.1


def remarks(found: PolicyEstimate) -> list[str]:
    """Return what is wrong with the weights of an estimate, and what to do; nothing if all is well."""
    lines = []
    if found.effective_rounds < _LEAST_EFFECTIVE:
        lines.append(
            f"{found.rounds:,} places are worth {found.effective_rounds:,.0f}, too few for an interval to be trusted: log more,"
            " explore more, or limit weights with --clip"
        )
    # By chance alone, the mean is within three standard errors of 1.
    spread = found.rounds / found.effective_rounds - 1.0 if found.effective_rounds else 0.0
    if found.mean_weight < min(_LEAST_SUPPORT, 1.0 - 3.0 * (max(0.0, spread) / found.rounds) ** 0.5):
        lines.append(
            f"weights are {found.mean_weight:.2f} on average, not 1: the log has nothing of {1.0 - found.mean_weight:.0%} of what"
            " the new policy would show, which only the model's estimates count; explore in more slots"
        )
    total = found.mean_weight * found.rounds
    if total > 0.0 and found.largest_weight > _LARGEST_SHARE * total:
        lines.append(
            f"one place has {min(1.0, found.largest_weight / total):.0%} of all weight, since its propensity is so small:"
            " explore more, or limit weights with --clip"
        )
    return lines
