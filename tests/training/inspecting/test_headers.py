from __future__ import annotations

import pytest

from presage_training.inspecting.headers import names_columns
from presage_training.readers.files.layout import FileLayout
from presage_training.readers.log_files import log_parts


def has_header(tmp_path, *lines):
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    return names_columns(log_parts(tmp_path / "log.csv"), FileLayout(separator=","))


@pytest.mark.parametrize(
    "lines",
    [
        ["ann,1717409442,view", "bob,1717409443,view"],
        ["ann,2026-01-05 10:00:00", "bob,2026-01-05 10:00:01"],
        ['ann,"05/Jan/2026:10:00:00 +0100"', 'bob,"05/Jan/2026:10:00:00 +0100"'],
        ["ann,10:00", "bob,11:00"],
        ["9ab61b8e-7d4c-4c39-8c5c-3f5d7a3e3c11,view", "1ab61b8e-7d4c-4c39-8c5c-3f5d7a3e3c12,buy"],
        ["ann,https://shop.example/a", "bob,https://shop.example/b"],
        ['ann,"3,50"', 'bob,"12,00"', "eve,"],
    ],
)
def test_a_first_line_like_the_others_is_no_header(tmp_path, lines):
    assert not has_header(tmp_path, *lines)


@pytest.mark.parametrize(
    "lines",
    [
        ["user,time,event", "ann,1717409442,view"],
        [",user,time", "0,ann,1717409442"],
        ["user,2026", "ann,view", "bob,buy"],
        ["user,event", "ann,view"],
        ["user,time"],
        ["sep=,", "user,time", "ann,1717409442"],
    ],
)
def test_names_are_a_header(tmp_path, lines):
    assert has_header(tmp_path, *lines)
