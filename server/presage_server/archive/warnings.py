"""What an operator must know when entries left the streams before they were archived."""

from __future__ import annotations

from presage_server.eventlog.positions import DiscontinuityKind

__all__ = ["CATALOGUE_WARNINGS", "WARNINGS"]

WARNINGS = {
    DiscontinuityKind.LOST: (
        "LOST: {entries} events left the streams before they were archived ({where}); "
        "raise the servers' stream_max_events, or keep the archiver running"
    ),
    DiscontinuityKind.MAYBE_LOST: (
        "PERHAPS LOST: the last archived event has left its stream, so later events may have left too ({where}); this store "
        "keeps no count to find out (Redis 7 does); raise the servers' stream_max_events, or keep the archiver running"
    ),
    DiscontinuityKind.STREAM_RESET: (
        "STREAM RESET: the store does not hold the streams that were archived so far: it was emptied, replaced, or restored from "
        "a backup ({where}); events in them that were not archived are lost, and archiving continues with the events that are there"
    ),
}

CATALOGUE_WARNINGS = {
    DiscontinuityKind.LOST: (
        "LOST: {entries} entries with changes of the catalogue left their stream before they were archived; keep the archiver "
        "running: the store keeps them for a day"
    ),
    DiscontinuityKind.MAYBE_LOST: (
        "PERHAPS LOST: the last archived change of the catalogue has left its stream, so later ones may have left too; this store "
        "keeps no count to find out (Redis 7 does); keep the archiver running: the store keeps changes for a day"
    ),
    DiscontinuityKind.STREAM_RESET: (
        "STREAM RESET: the store does not hold the changes of the catalogue that were archived so far: it was emptied, replaced, "
        "or restored from a backup; archiving continues with the changes that are there"
    ),
}
