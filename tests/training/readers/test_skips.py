from __future__ import annotations

from presage_training.readers import SkipExample, Skips


def test_everything_is_counted_and_the_first_of_each_reason_shown():
    skips = Skips(max_examples=2)
    for number in range(5):
        skips.add("bad", where=f"line {number}", what="noise")
    skips.add("worse", where="line 9", what="silence")

    assert skips.total == 6
    assert skips.counts == {"bad": 5, "worse": 1}
    assert skips.examples == {
        "bad": [SkipExample("line 0", "noise"), SkipExample("line 1", "noise")],
        "worse": [SkipExample("line 9", "silence")],
    }
