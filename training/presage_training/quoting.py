"""Quotes untrusted text for a terminal: it must neither contain control characters nor fill the screen."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, *, most: int = 200) -> str:
    r"""Escape text for a terminal.

    Args:
        text: Any text, of any length.
        most: The maximum number of characters; longer text ends in an ellipsis.

    Returns:
        The text in one line, with Python's escape, for example ``\x1b``, for each character that is not printable.
    """
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return (
        shown
        if shown.isprintable()
        else "".join(character if character.isprintable() else repr(character)[1:-1] for character in shown)
    )
