"""The following audit: what it finds does not depend on how the log is cut into batches, nor on where it was broken off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from unittest import mock

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from presage_featurizer import CONVERSION, MICROS, NO_AGGREGATES, Event, encode_event, featurize, fold
from presage_featurizer.aggregates import Aggregate, Aggregates
from presage_featurizer.digests import digest
from presage_featurizer.event_log import (
    Entry,
    EntryId,
    ServedVector,
    decode_served_vector,
    encode_served_vector,
    partition_of,
)
from presage_server.archive.erasing import KINDS, erase_rows, find_rows
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_server.settings import shipped_models
from presage_training.audit import Models, audit
from presage_training.auditing.following import FollowingAudit, Mismatch, StoppedError
from presage_training.auditing.forgetting import forget_in_states
from presage_training.auditing.metrics import AuditMetrics
from presage_training.auditing.visitor_states import open_states
from presage_training.errors import AuditStateError
from presage_training.readers.formats.archive import read_archive, read_archived_vectors
from presage_training.readers.skipped_rows import SkippedRows
from support.events import STORY
from support.vectors import a_vector

MODELS = Models({})
VISITORS = 6


def vector_after(events: Sequence[Event], **changes: object) -> ServedVector:
    """What a server logs when it scores a visitor after these events."""
    state = None
    for event in events:
        state = fold(state, event)
    now = events[-1].event_time_unix_micros + 5 * MICROS
    fields = {
        "user_id": events[-1].user_id,
        "session_id": "",
        "as_of_unix_micros": now,
        "last_event": digest(events[-1].event_id),
        "fingerprint": CONVERSION.fingerprint,
        "values": featurize(state, now, CONVERSION).tobytes(),
    }
    return a_vector(**(fields | changes))


def spoiled(vector: ServedVector, feature: str = "page_views") -> ServedVector:
    values = vector.features.copy()
    values[CONVERSION.features.index(feature)] += 1.0
    return msgspec.structs.replace(vector, values=values.tobytes())


def a_log(seed: int, share: float = 0.6) -> list[Entry]:
    """Events of some visitors with vectors among them, a few of which are logged only after the visitor's next event."""
    random = Random(seed)
    entries: list[Entry] = []
    late: dict[str, ServedVector] = {}
    for number in range(len(STORY) * VISITORS):
        step, visitor = divmod(number, VISITORS)
        user_id = f"visitor-{visitor}"
        own = [
            msgspec.structs.replace(event, user_id=user_id, event_id=f"{visitor}-{event.event_id}") for event in STORY
        ]
        entries.append(entry(number, user_id, event=encode_event(own[step]), fresh=step == 0))
        if user_id in late:
            entries.append(entry(number, user_id, 2, vector=encode_served_vector(late.pop(user_id))))
        if random.random() < share:
            vector = vector_after(own[: step + 1])
            if random.random() < 0.3:
                late[user_id] = vector
            else:
                entries.append(entry(number, user_id, vector=encode_served_vector(vector)))
    return entries


def entry(
    number: int, user_id: str, sequence: int = 1, *, event: bytes = b"", vector: bytes = b"", fresh: bool = False
) -> Entry:
    return Entry(partition_of(user_id), EntryId(1_000 + number, sequence if vector else 0), event, fresh, vector)


def archived(directory: Path, batches: Sequence[Sequence[Entry]]) -> None:
    with open_folder(directory, new_id=lambda: "test") as folder:
        for batch in batches:
            folder.commit(parts_by_day(batch), positions={}, entries=len(batch))


class Follower:
    """An audit that can be started again."""

    def __init__(self, archive: Path, models: Models = MODELS, **options: object) -> None:
        self.alerts: list[Mismatch] = []
        self.archive, self.models, self.options = archive, models, options

    def run(self, *, to_the_end: bool = True, steps: int = 1_000) -> FollowingAudit:
        path = self.archive.with_suffix(".audit")
        with open_states(path, archive_id="test", aggregates=self.models.aggregates) as states:
            found = FollowingAudit(
                self.archive, states, lambda: self.models, on_mismatch=self.alerts.append, **self.options
            )
            while steps and found.step(to_the_end=to_the_end):
                steps -= 1
        return found


def cut(entries: list[Entry], seed: int, parts: int) -> list[list[Entry]]:
    places = sorted(Random(seed).sample(range(1, len(entries)), parts - 1))
    return [entries[start:end] for start, end in zip([0, *places], [*places, len(entries)], strict=True)]


@pytest.mark.parametrize("seed", range(6))
def test_any_cut_into_batches_and_any_restart_gives_what_the_audit_of_all_gives(tmp_path, seed):
    entries = a_log(seed)
    batches = cut(entries, seed, 3 + 4 * seed)
    archive = tmp_path / "archive"
    follower = Follower(archive)
    same = 0
    for number, batch in enumerate(batches):
        archived(archive, [batch])
        same += follower.run(to_the_end=False, steps=1 + number % 2).progress.same
    last = follower.run()
    same += last.progress.same

    vectors = list(read_archived_vectors(archive))
    whole = audit(read_archive(archive, skipped=SkippedRows()), vectors, MODELS)
    assert (whole.same, whole.different) == (len(vectors), 0)
    assert same == len(vectors) > len(STORY)
    assert not follower.alerts
    assert not last.progress.skipped
    assert last.progress.batches_behind == 0


def test_a_mismatch_names_the_visitor_the_event_and_the_feature_once(tmp_path):
    entries = a_log(1, share=0.0)
    user_id, archive = "visitor-2", tmp_path / "archive"
    own = [msgspec.structs.replace(event, user_id=user_id, event_id=f"2-{event.event_id}") for event in STORY[:3]]
    bad = spoiled(vector_after(own))
    place = next(number for number, each in enumerate(entries) if each.event == encode_event(own[2]))
    entries.insert(place + 1, entry(999, user_id, vector=encode_served_vector(bad)))
    # Its entry is in the batch after its event's: as of then, the visitor's state is in the file.
    archived(archive, [entries[: place + 1], entries[place + 1 :]])
    follower = Follower(archive)
    for _ in range(3):
        found = follower.run(steps=1)
        assert found.progress.mismatches.total() == len(follower.alerts) or not found.progress.mismatches

    (alert,) = follower.alerts
    assert (alert.vector.user_id, alert.event_id, alert.difference.feature) == (
        user_id,
        f"2-{STORY[2].event_id}",
        "page_views",
    )
    assert alert.difference.served == alert.difference.expected + 1.0
    assert alert.difference.others == 0


def test_metrics_count_mismatches_by_feature(tmp_path):
    own = [msgspec.structs.replace(event, user_id="ann") for event in STORY]
    good, bad = vector_after(own[:2]), spoiled(vector_after(own[:4]), "product_views")
    lost = vector_after(own[:2], last_event=b"no event")
    vectors = [
        entry(90 + place, "ann", vector=encode_served_vector(each)) for place, each in enumerate((good, bad, lost))
    ]
    events = [entry(place, "ann", event=encode_event(event), fresh=place == 0) for place, event in enumerate(own)]
    archived(tmp_path / "archive", [[*events, *vectors]])
    progress = Follower(tmp_path / "archive").run().progress
    registry = CollectorRegistry()
    registry.register(AuditMetrics(progress, lambda: 1.5))
    said = generate_latest(registry).decode()

    assert f'presage_audit_mismatches_total{{feature="product_views",model="{bad.model}"}} 1.0' in said
    assert "presage_audit_compared_total 2.0" in said
    assert 'presage_audit_not_comparable_total{reason="its last event is not in the archive"} 1.0' in said
    assert "presage_audit_lag_seconds 1.5" in said


def test_what_was_served_before_a_moment_is_left_out(tmp_path):
    own = [msgspec.structs.replace(event, user_id="ann") for event in STORY]
    old, new = spoiled(vector_after(own[:2])), vector_after(own)
    entries = [entry(place, "ann", event=encode_event(event), fresh=place == 0) for place, event in enumerate(own)]
    entries += [entry(90 + place, "ann", vector=encode_served_vector(each)) for place, each in enumerate((old, new))]
    archived(tmp_path / "archive", [entries])
    follower = Follower(tmp_path / "archive", since_unix_micros=old.as_of_unix_micros + 1)

    assert follower.run().progress.same == 1
    assert not follower.alerts


def test_a_score_that_its_bundle_does_not_give_is_a_mismatch(tmp_path):
    models = Models.read(shipped_models(), warn=pytest.fail)
    own = [msgspec.structs.replace(event, user_id="ann") for event in STORY]
    vector = vector_after(own, model="conversion", model_version="3", score=0.5)
    entries = [entry(place, "ann", event=encode_event(event), fresh=place == 0) for place, event in enumerate(own)]
    archived(tmp_path / "archive", [[*entries, entry(99, "ann", vector=encode_served_vector(vector))]])
    follower = Follower(tmp_path / "archive", models)
    follower.run()

    assert [alert.difference.feature for alert in follower.alerts] == ["score"]


def test_a_history_that_begins_before_the_archive_is_not_comparable(tmp_path):
    own = [msgspec.structs.replace(event, user_id="ann") for event in STORY]
    entries = [entry(place, "ann", event=encode_event(event)) for place, event in enumerate(own)]
    vector = entry(99, "ann", vector=encode_served_vector(vector_after(own)))
    unknown = entry(98, "ann", vector=encode_served_vector(vector_after(own, fingerprint="another")))
    archived(tmp_path / "archive", [[*entries, vector, unknown]])

    assert Follower(tmp_path / "archive").run().progress.skipped == {
        "the visitor's history begins before the archive": 1,
        "feature set unknown to this release, to the bundles and to the project": 1,
    }


def test_the_newest_batch_waits_for_the_next_one(tmp_path):
    archive = tmp_path / "archive"
    batches = cut(a_log(3), 3, 3)
    archived(archive, batches[:1])
    assert Follower(archive).run(to_the_end=False).progress.events == 0
    archived(archive, batches[1:])
    found = Follower(archive).run(to_the_end=False)
    assert found.progress.batches_behind == 1
    assert found.progress.events == sum(bool(each.event) for each in [*batches[0], *batches[1]])


def test_stopped_within_a_batch_it_begins_it_again(tmp_path):
    archive = tmp_path / "archive"
    archived(archive, [a_log(2)])
    looks: Iterator[bool] = iter([False, True])
    with pytest.raises(StoppedError):
        Follower(archive, is_stopped=lambda: next(looks)).run()

    assert Follower(archive).run().progress.same == len(list(read_archived_vectors(archive)))


@pytest.mark.parametrize("seed", range(4))
def test_a_visitor_who_is_erased_between_two_batches_changes_nothing_for_the_others(tmp_path, seed):
    """Rows leave the files of batches whose vectors were compared already: the results belong to entries, not to rows."""
    batches = cut(a_log(seed), seed, 4)
    archive = tmp_path / "archive"
    archived(archive, batches)
    expected = Follower(archive).run().progress
    archive.with_suffix(".audit").unlink()
    user_id = f"visitor-{seed}"
    places = {kind: EntryId(10_000, 0) for kind in KINDS}
    partition = partition_of(user_id)

    follower = Follower(archive)
    first = follower.run(steps=2).progress
    find = partial(find_rows, archive, partition, user_id, until=places, names_it=lambda _: False)
    for found in list(find()):
        erase_rows(found, partition, user_id, until=places, names_it=lambda _: False)
    assert list(find()) == []
    ((path, rows),) = forget_in_states([archive], [], user_id, erase=True)
    assert rows > 0
    assert path == archive.with_suffix(".audit")
    assert user_id.encode() not in path.read_bytes()
    assert dict(forget_in_states([archive], [], user_id, erase=False)) == {path: 0}
    rest = follower.run().progress

    assert follower.alerts == []
    assert not rest.skipped
    left = list(read_archived_vectors(archive))
    assert user_id not in {vector.user_id for vector in left}
    of_others = sum(vector.user_id != user_id for batch in batches for vector in vectors_of(batch))
    assert len(left) == of_others < expected.same
    assert of_others <= first.same + rest.same <= expected.same


def test_a_visitor_is_erased_beside_an_audit_that_follows(tmp_path):
    """Not within a batch, whose visitors are in memory."""
    archive = tmp_path / "archive"
    archived(archive, cut(a_log(1), 1, 3))
    path = archive.with_suffix(".audit")
    with open_states(path, archive_id="test", aggregates=NO_AGGREGATES) as states:
        audit = FollowingAudit(archive, states, lambda: MODELS, on_mismatch=pytest.fail)
        audit.step(to_the_end=True)
        assert dict(forget_in_states([archive], [], "visitor-2", erase=True))[path] > 0
        assert states.get("visitor-2") is None
        assert states.get("visitor-3") is not None
        states.begin()
        with (
            mock.patch("presage_training.auditing.forgetting._WAIT_SECONDS", 0.05),
            pytest.raises(AuditStateError, match="locked"),
        ):
            list(forget_in_states([archive], [], "visitor-3", erase=True))
        states.roll_back()
        assert audit.step(to_the_end=True)


def vectors_of(batch: Sequence[Entry]) -> list[ServedVector]:
    return [decode_served_vector(each.vector) for each in batch if each.vector]


def test_a_file_of_states_of_something_else_is_an_error(tmp_path):
    path = tmp_path / "states"
    with (
        open_states(path, archive_id="one", aggregates=NO_AGGREGATES),
        pytest.raises(AuditStateError, match="cannot be used"),
        open_states(path, archive_id="one", aggregates=NO_AGGREGATES),
    ):
        pass
    with (
        pytest.raises(AuditStateError, match="belongs to another archive"),
        open_states(path, archive_id="b", aggregates=NO_AGGREGATES),
    ):
        pass
    own = Aggregates([Aggregate(kind="count", over="visitor")])
    with pytest.raises(AuditStateError, match="other features"), open_states(path, archive_id="one", aggregates=own):
        pass
    (tmp_path / "text").write_text("no database, but a text that is long enough to be looked at" * 50)
    with (
        pytest.raises(AuditStateError, match="text: cannot be used"),
        open_states(tmp_path / "text", archive_id="one", aggregates=own),
    ):
        pass
