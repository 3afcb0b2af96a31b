"""``presage models outcomes``: each day's scores against what visitors did, for an archive with known truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from training.commands.running import run_here
from training.logs import act

from presage_featurizer import EventType, encode_event
from presage_featurizer.digests import digest
from presage_featurizer.event_log import Entry, EntryId, encode_served_vector
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_training.datasets.targets import parse_target
from presage_training.verdicts.daily import read_days
from support.vectors import a_vector

DAY_MINUTES = 1440


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Two days of forty sessions, a quarter of which end in a purchase; on the second, the ends of ten are not known yet.

    Version 3 scores the first day right on average, version 4 the second day twice as high as it should.
    """
    events, vectors = [], []
    for number in range(80):
        second, buys = number >= 40, number % 4 == 0
        late = second and number >= 70
        minutes = second * DAY_MINUTES + (600 if late else number / 60)
        view = act(EventType.VIEW_ITEM, minutes, user_id=f"u{number}")
        events += [view, act(EventType.PURCHASE, minutes + 1, user_id=f"u{number}")] if buys else [view]
        vectors += [
            a_vector(
                user_id=view.user_id,
                session_id=view.session_id,
                as_of_unix_micros=view.event_time_unix_micros,
                last_event=digest(view.event_id),
                model_version="4" if second else "3",
                score=(0.4 if buys else 0.2) * (1 + second),
            )
        ] * (1 + number % 2)
    entries = [encode_event(event) for event in [*events, act(minutes=DAY_MINUTES + 610, user_id="closer")]]
    made = [Entry(0, EntryId(9, place), event, no_prior_state=False) for place, event in enumerate(entries)]
    made += [
        Entry(0, EntryId(10, place), b"", no_prior_state=False, vector=encode_served_vector(vector))
        for place, vector in enumerate(vectors)
    ]
    folder = tmp_path_factory.mktemp("outcomes") / "archive"
    with open_folder(folder, new_id=lambda: "test") as opened:
        opened.commit(parts_by_day(made), positions={}, entries=len(made))
    return folder


def test_each_day_has_its_calibration_error_and_ranking(archive):
    first, second = read_days(archive, model="conversion", target=parse_target("purchase-in-session"))

    assert (first.version, first.sessions, first.waiting, first.known) == ("3", 40, 0, 1.0)
    assert (first.mean_score, first.mean_outcome) == (pytest.approx(0.25), 0.25)
    assert first.squared_error == pytest.approx((0.6**2 + 3 * 0.2**2) / 4)
    assert first.auc == 1.0

    assert (second.version, second.sessions, second.waiting, second.known) == ("4", 30, 10, 0.75)
    assert second.day == first.day + 1
    assert second.mean_outcome == 8 / 30
    assert second.mean_score == pytest.approx((8 * 0.8 + 22 * 0.4) / 30)


def test_the_table_says_how_much_of_a_day_is_known(monkeypatch, capsys, archive):
    monkeypatch.setenv("COLUMNS", "120")
    done = run_here(monkeypatch, capsys, "models", "outcomes", "conversion", archive)
    rows = [line.split() for line in done.out.splitlines() if line.strip().startswith("20")]

    assert (done.code, done.err) == (0, "")
    assert [row[1:] for row in rows] == [
        ["3", "40", "100%", "0.2500", "0.2500", "+0.0000", "0.1200", "1.000"],
        ["4", "30", "75%", "0.5067", "0.2667", "+0.2400", "0.1280", "1.000"],
    ]


def test_a_model_without_scores_is_reported(monkeypatch, capsys, archive):
    done = run_here(monkeypatch, capsys, "models", "outcomes", "churn", archive)
    assert done.code == 2
    assert "no scores of churn whose outcomes can be known" in done.err
