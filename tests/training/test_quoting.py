from __future__ import annotations

import pytest

from presage_training.errors import LogFormatError
from presage_training.quoting import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Größe 3 €", "plain, Größe 3 €"),
        ("\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        ("two\r\nlines\t", r"two\r\nlines\t"),
        ("\x9b31m", r"\x9b31m"),
        ("txt\u202egnp.exe", r"txt\u202egnp.exe"),
        ("a\ud800", r"a\ud800"),
    ],
)
def test_what_a_terminal_would_act_on_is_written_out(text, shown):
    assert printable(text) == shown


def test_long_text_is_shortened():
    assert printable("x" * 10, most=10) == "x" * 10
    assert printable("x" * 11, most=10) == "x" * 9 + "…"


def test_an_error_about_a_log_quotes_it_in_one_line_and_shortened(tmp_path):
    message = str(LogFormatError(tmp_path / "a\x1b[1m.csv", "no column " + "\x1b[2J" * 9_999, advice="Mend it."))

    assert message.isprintable()
    assert r"a\x1b[1m.csv: no column \x1b[2J" in message
    assert message.endswith("…. Mend it.")
    assert len(message) < 10_000
