"""What a learner did: its decisions in words, and the curve of its versions."""

from __future__ import annotations

from console.models.made import a_version

from presage_console.models.drawings import draw_learning
from presage_console.models.learning import describe_learning
from presage_export.registry import Verdict, append_verdict, read_verdicts


def said(version: str, verdict: str, at: int, reason: str = "numbers", purchases: int = 0) -> Verdict:
    return Verdict(decided_at_unix_micros=at, version=version, verdict=verdict, reason=reason, purchases=purchases)


HISTORY = [
    said("1", "prior", 1),
    said("2", "challenger", 2, purchases=500),
    said("2", "continue", 3),
    said("2", "continue", 4, "newest numbers"),
    said("2", "promote", 5),
    said("3", "rejected", 6),
    said("4", "challenger", 7),
    said("4", "roll back", 8),
]


def test_looks_that_decided_nothing_are_one_line():
    found = describe_learning(HISTORY, {}, ["1", "2", "3", "4"])
    assert [(each.version, each.words, each.looks) for each in found.decisions] == [
        ("4", "rolled back: it is worse", 1),
        ("4", "passed the gate, and became the challenger", 1),
        ("3", "rejected at the gate", 1),
        ("2", "promoted to champion", 1),
        ("2", "nothing decided yet", 2),
        ("2", "passed the gate, and became the challenger", 1),
        ("1", "wrote a prior", 1),
    ]
    looked = found.decisions[4]
    assert (looked.at_unix_micros, looked.reason) == (4, "newest numbers")
    assert (found.promoted, found.turned_down) == (1, 2)


def test_the_curve_has_the_versions_that_state_the_metric():
    details = {
        "1": a_version("1", metrics={}),
        "2": a_version("2", metrics={"roc_auc": 0.7}, training_data={"train_rows": "100", "log_end_unix_micros": "5"}),
        "4": a_version("4", metrics={"roc_auc": 0.8}, training_data={}),
    }
    found = describe_learning(HISTORY, details, ["1", "2", "3", "4"])
    assert found.metric == "ROC-AUC"
    assert [(step.version, step.value, step.rows, step.purchases, step.became) for step in found.steps] == [
        ("2", 0.7, 100, 500, "promoted to champion"),
        ("4", 0.8, None, None, "rolled back: it is worse"),
    ]
    chart = draw_learning(found)
    assert chart is not None
    assert (list(chart.x), list(chart.series[0].values), chart.x_is_time) == ([1, 2], [0.7, 0.8], False)
    assert chart.y_low is not None
    assert chart.y_high is not None
    assert chart.y_low < 0.7
    assert chart.y_high > 0.8


def test_the_curve_is_drawn_over_time_where_the_bundles_say_when_their_logs_end():
    def details(*ends):
        return {
            str(number): a_version(str(number), training_data={"log_end_unix_micros": str(end)})
            for number, end in enumerate(ends)
        }

    rising = draw_learning(describe_learning([], details(1_000_000, 3_000_000), ["0", "1"]))
    assert rising is not None
    assert (list(rising.x), rising.x_is_time) == ([1.0, 3.0], True)
    same = draw_learning(describe_learning([], details(1_000_000, 1_000_000), ["0", "1"]))
    assert same is not None
    assert (list(same.x), same.x_is_time) == ([1, 2], False)


def test_versions_without_learner_or_metrics_are_no_curve():
    found = describe_learning([], {"1": a_version("1", metrics={})}, ["1"])
    assert (found.metric, found.steps, found.decisions) == ("", (), ())
    assert draw_learning(found) is None
    one = describe_learning([], {"1": a_version("1")}, ["1"])
    assert len(one.steps) == 1
    assert draw_learning(one) is None


def test_a_verdict_of_a_newer_release_is_shown_as_it_is(tmp_path):
    append_verdict(tmp_path, said("2", "paused", 1))
    with (tmp_path / "learning.jsonl").open("ab") as file:
        file.write(b'{"cut off')
    found = describe_learning(read_verdicts(tmp_path), {}, ["2"])
    assert [each.words for each in found.decisions] == ["paused"]
