"""Quotes what a log holds: what a stranger wrote must neither move the reader's cursor nor fill the screen."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, *, most: int = 200) -> str:
    r"""Write text such that a terminal shows it and does nothing else.

    Args:
        text: Anything, of any length.
        most: How many characters of it are shown; an ellipsis stands for the rest.

    Returns:
        It in one line, with the escape of Python, ``\x1b`` for example, for each character that is not printable.
    """
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return shown if shown.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in shown)
