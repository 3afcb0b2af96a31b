"""What the page about alternatives says of them in numbers is what the benchmarks page says."""

from __future__ import annotations

import re

from support.doc_blocks import ROOT

FIGURE = re.compile(r"\d[\d,.]*(?:/s| ms)|\d[\d.]* ?[/,] ?[\d.]+ ms")


def test_every_figure_is_one_of_the_benchmarks():
    benchmarks = (ROOT / "docs/benchmarks.md").read_text()
    figures = FIGURE.findall((ROOT / "docs/presage-or.md").read_text())

    assert len(figures) > 20
    assert [figure for figure in figures if figure not in benchmarks] == []
