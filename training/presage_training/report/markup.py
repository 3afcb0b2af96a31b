"""The style, tables and figures of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["STYLE", "breakable", "figure", "table"]

_LONG = 10

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; } h3 { font-size: 1rem; }
h1, li, p { overflow-wrap: anywhere; }
table { border-collapse: collapse; max-width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; text-align: right; vertical-align: top; border-bottom: 1px solid #eee; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; } th { font-weight: 600; vertical-align: bottom; }
td:first-child { min-width: 7rem; }
tr.baseline td { color: #666; font-style: italic; }
small { color: #666; } .warning { color: #a33; } .charts { display: flex; flex-wrap: wrap; gap: 1.5rem; }
svg { max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: #333; }
svg .grid { stroke: #e4e4e4; } svg .guide { stroke: #999; stroke-dasharray: 4 4; }
figure { margin: 0; max-width: 420px; } figcaption { font-weight: 600; } figure small { display: block; }
@media (max-width: 900px) {
  table, tbody, tr { display: block; } thead, td:empty { display: none; }
  tr { padding: .5rem 0; border-bottom: 1px solid #ddd; }
  td { display: inline-block; width: 7.5rem; border: 0; padding: .15rem .5rem .15rem 0; text-align: left; vertical-align: top; }
  td:first-child { display: block; width: auto; font-weight: 600; }
  td + td::before { content: attr(data-head); display: block; font-size: .8em; color: #666; }
}
"""
"""A wide table breaks its headings and intervals to fit; on a narrow screen, each row is a block with its headings."""


def table(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], str]]) -> str:
    """Render a table of HTML cells, each row with or without a class."""
    head = "".join(f"<th>{breakable(name)}</th>" for name in heads)
    body = "".join(
        f"<tr{f' class={name!r}' if name else ''}>"
        + "".join(f'<td data-head="{escape(head)}">{cell}</td>' for head, cell in zip(heads, cells, strict=True))
        + "</tr>"
        for cells, name in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def breakable(text: str) -> str:
    """Escape text; a long name may break after an underscore."""
    return escape(text).replace("_", "_<wbr>") if len(text) > _LONG else escape(text)


def figure(caption: str, svg: str, note: str = "") -> str:
    """Render a chart with its caption, and a note below it."""
    below = f"<small>{escape(note)}</small>" if note else ""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}{below}</figure>"
