"""What can go wrong while a visitor is erased.

ServerError
└── ForgetError                  something cannot be looked at or erased; what was erased so far stays so
"""

from __future__ import annotations

from presage_server.errors import ServerError

__all__ = ["ForgetError"]


class ForgetError(ServerError):
    """Expected: the operator should do what the text says and run the command again."""
