"""The keys of a visitor's own data.

The part in braces is what a cluster hashes. It is the same in the key of the event stream (``presage_featurizer.event_log``), so
one script can change a visitor's state and append to the stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from presage_featurizer.event_log import PARTITIONS, partition_of, stream_key

__all__ = ["encode_reads", "erasures_key", "keys_of_commit", "quarantine_key", "state_key"]

_KEY_BYTES = len("{p}:u:")


def state_key(user_id: str) -> str:
    """Return the key of a visitor's state: a string."""
    return f"{{p{partition_of(user_id)}}}:u:{user_id}"


def quarantine_key(user_id: str) -> str:
    """Return the key of a visitor's unreadable states, kept for repair: a list, the newest last."""
    return f"{{p{partition_of(user_id)}}}:aside:{user_id}"


def erasures_key(partition: int) -> str:
    """Return the key of a partition's erasures: a hash, with their ``count``, and a field for each that is not finished."""
    return f"{{p{partition}}}:erasures"


def encode_reads(user_ids: Iterable[str]) -> bytes:
    """Encode one GET of each visitor's state, in half of the time that ``state_key`` and a general encoder take."""
    commands = []
    for user_id in user_ids:
        encoded = user_id.encode()
        partition = b"%d" % (crc32(encoded) % PARTITIONS)
        length = len(partition) + len(encoded) + _KEY_BYTES
        commands.append(b"*2\r\n$3\r\nGET\r\n$%d\r\n{p%b}:u:%b\r\n" % (length, partition, encoded))
    return b"".join(commands)


def keys_of_commit(user_id: str) -> tuple[str, str, str]:
    """Return the keys that a commit changes: state, event stream, quarantine."""
    partition = partition_of(user_id)
    tag = f"{{p{partition}}}"
    return f"{tag}:u:{user_id}", stream_key(partition), f"{tag}:aside:{user_id}"
