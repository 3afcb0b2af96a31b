"""The audit on hand-made archives: what it calls the same, different, and not comparable."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from presage_featurizer import CONVERSION, MICROS, featurize, fold
from presage_featurizer.digests import digest
from presage_featurizer.event_log import ServedVector
from presage_server.settings import shipped_models
from presage_training.audit import Models, audit
from presage_training.readers.formats.archive import ArchivedEvent
from support.events import STORY
from support.vectors import a_vector

EVENTS = [ArchivedEvent(event, fresh=place == 0) for place, event in enumerate(STORY)]
USER = STORY[0].user_id


@pytest.fixture(scope="module")
def models():
    warnings = []
    found = Models.read(shipped_models(), warn=warnings.append)
    assert not warnings
    return found


def served(events: int, models: Models, **changes) -> ServedVector:
    """What a server would have logged after so many events of the story."""
    state = None
    for event in STORY[:events]:
        state = fold(state, event)
    now = STORY[max(events - 1, 0)].event_time_unix_micros + 5 * MICROS
    last = digest(STORY[events - 1].event_id) if events else b""
    values = featurize(state, now, CONVERSION).tobytes()
    vector = a_vector(
        user_id=USER,
        session_id="",
        as_of_unix_micros=now,
        last_event=last,
        model_version="3",
        fingerprint=CONVERSION.fingerprint,
        values=values,
    )
    score = models.score(vector)
    assert score is not None
    return msgspec.structs.replace(vector, **{"score": score} | changes)


def test_a_folder_without_bundles_gives_a_warning(tmp_path):
    warnings = []
    Models.read(tmp_path, warn=warnings.append)

    assert warnings == [f"{tmp_path}: no bundle NAME/VERSION in it can be read, so no score is checked"]


def test_what_a_replay_gives_back_is_the_same(models):
    vectors = [served(events, models) for events in range(len(STORY) + 1)]
    result = audit(EVENTS, vectors, models)

    assert (result.same, result.scores, result.different) == (len(STORY) + 1, len(STORY) + 1, 0)
    assert not result.skipped


def test_a_vector_that_differs_in_one_bit_is_found_and_named(models):
    true = served(3, models)
    values = true.features.copy()
    page_views = CONVERSION.features.index("page_views")
    values[page_views] = np.nextafter(values[page_views], np.float32(np.inf))
    result = audit(EVENTS, [true, msgspec.structs.replace(true, values=values.tobytes())], models)

    assert (result.same, result.different) == (1, 1)
    assert result.differences[0].what.startswith("page_views: served ")


def test_zero_and_minus_zero_are_two_values(models):
    true = served(0, models)
    values = np.where(true.features == 0, np.float32(-0.0), true.features)

    assert audit(EVENTS, [msgspec.structs.replace(true, values=values.tobytes())], models).different == 1


def test_a_score_that_its_bundle_does_not_give_is_found(models):
    result = audit(EVENTS, [served(2, models, score=0.5)], models)

    assert result.different == 1
    assert result.differences[0].what.startswith("score: served 0.5, its bundle gives 0.")


def test_a_score_of_a_model_that_is_not_at_hand_is_not_looked_at(models):
    result = audit(EVENTS, [served(2, models, score=0.5)], Models({}))

    assert (result.same, result.scores, result.different) == (1, 0, 0)


def test_what_cannot_be_compared_is_counted_by_its_reason(models):
    cut_off = [replace(EVENTS[0], fresh=False), *EVENTS[1:]]
    missing = served(2, models, last_event=b"no event")
    foreign = served(2, models, fingerprint="another")

    assert audit(cut_off, [served(2, models)], models).skipped == {"the visitor's history begins before the archive": 1}
    assert audit(EVENTS, [missing, foreign], models).skipped == {
        "its last event is not in the archive": 1,
        "feature set unknown to this release, to the bundles and to the project": 1,
    }


def test_after_a_visitor_was_forgotten_the_replay_begins_anew(models):
    again = [*EVENTS, *EVENTS[:3]]

    assert audit(again, [served(2, models)], models).same == 1


def test_an_id_that_counted_again_for_a_forgotten_visitor_is_no_difference(models):
    """The shop sent the third event once more, much later."""
    event = STORY[2]
    now = event.event_time_unix_micros + 5 * MICROS
    values = featurize(fold(None, event), now, CONVERSION)
    again = served(3, models, values=values.tobytes())
    again = msgspec.structs.replace(again, score=models.score(again))
    log = [*EVENTS, ArchivedEvent(event, fresh=True)]
    cut_off = [replace(EVENTS[2], fresh=False), ArchivedEvent(event, fresh=True)]

    assert audit(log, [served(3, models), again], models).same == 2
    assert audit(cut_off, [again], models).same == 1

    values = values.copy()
    values[5] += 1
    result = audit(log, [msgspec.structs.replace(again, values=values.tobytes())], models)
    assert (result.same, result.different, len(result.differences)) == (0, 1, 1)
