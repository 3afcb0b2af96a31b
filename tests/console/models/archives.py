"""An archive with known truth: one version knows how likely visitors are to buy, another guesses and promises too much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from training.logs import act

from presage_featurizer import EventType, encode_event
from presage_featurizer.digests import digest
from presage_featurizer.event_log import Entry, EntryId, encode_served_vector
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from support.vectors import a_vector

__all__ = ["write_archive"]


def write_archive(
    folder: Path,
    *,
    sessions: int = 300,
    days: int = 2,
    knowing: str = "3",
    guessing: str = "4",
    model: str = "conversion",
) -> Path:
    """Write sessions of two versions, about a third of which end in a purchase.

    Both versions have scored all of them, and each serves half.
    """
    random = np.random.default_rng(4)
    events, vectors = [], []
    for number in range(sessions):
        minutes = number * days * 1_440 / sessions
        view = act(EventType.VIEW_ITEM, minutes, user_id=f"u{number}")
        chance = random.beta(0.7, 1.4)
        buys = random.random() < chance
        events += [view, act(EventType.PURCHASE, minutes + 1, user_id=f"u{number}")] if buys else [view]
        scores = {
            knowing: float(np.clip(chance + random.normal(0.0, 0.02), 0.01, 0.99)),
            guessing: float(np.clip(0.45 + 0.3 * chance + random.normal(0.0, 0.15), 0.01, 0.99)),
        }
        serving, beside = (knowing, guessing) if number % 2 else (guessing, knowing)
        vectors.append(
            a_vector(
                user_id=view.user_id,
                session_id=view.session_id,
                as_of_unix_micros=view.event_time_unix_micros,
                last_event=digest(view.event_id),
                model=model,
                model_version=serving,
                arm=1 if serving == knowing else 2,
                propensity=0.5,
                score=scores[serving],
                others=((beside, scores[beside]),),
            )
        )
    entries = [encode_event(event) for event in [*events, act(minutes=(days + 1) * 1_440, user_id="closer")]]
    made = [Entry(0, EntryId(9, place), event, no_prior_state=False) for place, event in enumerate(entries)]
    made += [
        Entry(0, EntryId(10, place), b"", no_prior_state=False, vector=encode_served_vector(vector))
        for place, vector in enumerate(vectors)
    ]
    with open_folder(folder, new_id=lambda: "test") as opened:
        opened.commit(parts_by_day(made), positions={}, entries=len(made))
    return folder
