from __future__ import annotations

from presage_training.readers import SkippedExample, SkippedRows


def test_everything_is_counted_and_the_first_of_each_reason_shown():
    skipped = SkippedRows(max_examples=2)
    for number in range(5):
        skipped.add("bad", where=f"line {number}", what="noise")
    skipped.add("worse", where="line 9", what="silence")

    assert skipped.total == 6
    assert skipped.counts == {"bad": 5, "worse": 1}
    assert skipped.examples == {
        "bad": [SkippedExample("line 0", "noise"), SkippedExample("line 1", "noise")],
        "worse": [SkippedExample("line 9", "silence")],
    }
