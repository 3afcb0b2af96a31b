"""What the lines of commands call visitors."""

from __future__ import annotations

from dataclasses import dataclass

from presage_featurizer.pseudonyms import pseudonym
from presage_training.quoting import printable

__all__ = ["VisitorNames"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitorNames:
    """Names visitors by hashes of their ids, as the servers' logs do, or by the ids themselves."""

    show_ids: bool = False
    key: str = ""
    """The servers' log_id_key."""

    def of(self, user_id: str) -> str:
        """Return the name of a visitor."""
        return repr(printable(user_id)) if self.show_ids else pseudonym(user_id, self.key.encode())
