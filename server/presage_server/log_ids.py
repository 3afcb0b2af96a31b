"""What logs call visitors: a hash, so that a log is not one more place with their ids."""

from __future__ import annotations

import re

from presage_featurizer.pseudonyms import pseudonym

__all__ = ["log_id", "use_log_id_key", "without_ids"]

_KEY_OF_VISITOR = re.compile(r"(\{p\d{1,4}\}:(?:u|aside):)([^\s'\"]+)")
_keys = [b""]
"""As logging itself, one for the whole process."""


def use_log_id_key(key: str) -> None:
    """Hash with a secret from now on; ``presage forget --log-id`` with the same one prints a visitor's hash."""
    _keys[0] = key.encode()


def log_id(user_id: str) -> str:
    """Return what logs call a visitor, such as ``v-1f2e3d4c5b6a7988``."""
    return pseudonym(user_id, _keys[0])


def without_ids(text: str) -> str:
    """Replace the visitors in keys that a text has, as the store's own errors may name them."""
    return _KEY_OF_VISITOR.sub(lambda found: found[1] + log_id(found[2]), text)
