"""What stands for a visitor's id where the id itself must not be shown."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["pseudonym"]

_BYTES = 8
_MAX_KEY_BYTES = 64


def pseudonym(user_id: str, key: bytes = b"") -> str:
    """Return a visitor's name in logs, such as ``v-1f2e3d4c5b6a7988``: always the same with the same key.

    Without a secret key, whoever knows an id can compute its name, and so find its lines; with one, only those who have the key.
    """
    if len(key) > _MAX_KEY_BYTES:
        key = blake2b(key).digest()
    return "v-" + blake2b(user_id.encode(errors="surrogatepass"), digest_size=_BYTES, key=key).hexdigest()
