"""Separators are guessed from the columns that a file should have, and from the lines after the header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer.ranking.catalogue_rows import FIELDS
from presage_featurizer.ranking.separators import SEPARATORS, guess_separator, split_line


@given(
    st.sampled_from(SEPARATORS),
    st.lists(st.sampled_from(FIELDS), min_size=2, unique=True),
    st.lists(st.sampled_from(["a column, of words", "one;two", "x|y", "plain"]), max_size=2),
)
def test_columns_that_are_wanted_decide_whatever_else_stands_in_a_header(separator, fields, others):
    quoted = [f'"{name}"' for name in others]
    assert guess_separator(separator.join([*fields, *quoted]), FIELDS) == separator


@pytest.mark.parametrize("separator", SEPARATORS)
def test_without_wanted_columns_regular_lines_decide(separator):
    header, rows = separator.join(["a,b" if separator != "," else "a|b", "c"]), [separator.join("12")] * 3
    assert guess_separator(header, (), rows) == separator


def test_a_line_is_split_with_its_quotes():
    assert split_line('a;"b;c"', ";") == ["a", "b;c"]
    assert split_line("", ";") == []
