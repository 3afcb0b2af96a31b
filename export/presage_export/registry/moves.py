"""What operators and rules do to the aliases of a model, each as a function from aliases to aliases.

None of them looks at a folder: whether a version can be served is to be checked before they are written.
"""

from __future__ import annotations

from msgspec.structs import replace

from presage_export.errors import AliasesError
from presage_export.registry.aliases import Aliases

__all__ = ["drop_challenger", "promote", "set_shadow", "split"]


def promote(aliases: Aliases, version: str = "") -> Aliases:
    """Make a version the champion; the challenger unless one is given. Where it was the challenger or the shadow, it is no longer.

    Raises:
        AliasesError: No version is given, and there is no challenger.
    """
    version = version or aliases.challenger
    if not version:
        raise AliasesError("champion: there is no challenger to promote; name a version")
    if version == aliases.challenger:
        aliases = drop_challenger(aliases)
    return replace(aliases, champion=version, shadow="" if aliases.shadow == version else aliases.shadow)


def split(aliases: Aliases, version: str, share: float, *, champion: str, new_salt: str) -> Aliases:
    """Try a version on a share of the visitors.

    A version that is the challenger already keeps its salt: with a larger share, its visitors stay, and others join them.

    Args:
        aliases: As they are.
        version: The challenger.
        share: The share of visitors, 0 to 1; with 0 it only scores beside the champion.
        champion: The version that serves all others; the one that serves now, if the aliases name none.
        new_salt: What visitors are assigned by if the challenger is another than before: random, so that each experiment draws
            visitors of its own.

    Raises:
        AliasesError: The share is not within 0 to 1, or the version is the champion.
    """
    return replace(
        aliases,
        champion=aliases.champion or champion,
        challenger=version,
        challenger_share=share,
        salt=aliases.salt if version == aliases.challenger else new_salt,
        shadow="" if aliases.shadow == version else aliases.shadow,
    )


def drop_challenger(aliases: Aliases) -> Aliases:
    """End the experiment: the champion serves the challenger's visitors, too."""
    return replace(aliases, challenger="", challenger_share=0.0)


def set_shadow(aliases: Aliases, version: str, *, champion: str) -> Aliases:
    """Have a version score beside the others without serving anyone; empty: none.

    Args:
        aliases: As they are.
        version: The shadow.
        champion: The version that serves now, if the aliases name none.

    Raises:
        AliasesError: The version is the champion or the challenger.
    """
    if version and version == aliases.challenger:
        raise AliasesError(
            f"shadow: expected not the challenger, got {version!r}: it is scored beside the champion already"
        )
    return replace(aliases, champion=aliases.champion or (champion if version else ""), shadow=version)
