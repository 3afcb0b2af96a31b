"""What an adapter describes of a peer: how to start it, what it can do, and how to call it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.dataset import FEATURES, Sample

__all__ = ["RANKED", "Case", "Peer", "Protocol", "Site", "Task", "number_parts", "pinned"]

_PIN = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9_,-]+\])?==[A-Za-z0-9.+!-]+")


class Task(StrEnum):
    """What a call is for; only figures of the same task are compared."""

    SCORE = "score"
    """The score of one visitor, from what the store holds of the visitor."""
    VECTOR = "vector"
    """The score of one vector that the caller sends; no store."""
    FEATURES = "features"
    """The 20 features of one visitor, from the store."""
    FEATURES_100 = "features-100"
    """The 20 features of each of 100 visitors, in one call."""
    RANK = "rank"
    """The best 20 of 100 items for one visitor, from what the store holds of the visitor and the items."""

    @property
    def visitors(self) -> int:
        """How many visitors one call is about."""
        return 100 if self is Task.FEATURES_100 else 1

    def expected(self, sample: Sample) -> NDArray[np.float64]:
        """What the answer to a sample has to be: scores or features, one after the other, or else ``ranked_numbers``."""
        if self is Task.RANK:
            return ranked_numbers(sample)
        return sample.scores if self in {Task.SCORE, Task.VECTOR} else sample.rows.astype(np.float64).ravel()


RANKED = 20
"""Items in the answer to a call that ranks."""


def ranked_numbers(sample: Sample) -> NDArray[np.float64]:
    """Return the items of an answer as numbers, best first: of each the thousands of its number, the rest of it, and its score.

    Numbers are compared with a relative tolerance, which would take a large one for its neighbour.
    """
    best = np.argsort(-sample.scores, kind="stable")[:RANKED]
    return np.array([part for place in best for part in (*number_parts(sample.item_ids[place]), sample.scores[place])])


def number_parts(item: str) -> tuple[float, float]:
    """Return the thousands of an item's number, and the rest."""
    thousands, rest = divmod(int(item.rpartition("-")[2]), 1_000)
    return float(thousands), float(rest)


class Protocol(StrEnum):
    """How a call travels."""

    GRPC = "grpc"
    """gRPC over one cleartext HTTP/2 connection; calls in flight are its streams."""
    HTTP1 = "http1"
    """POST over HTTP/1.1 with keep-alive; as many connections as calls in flight."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """How to call a peer for one task."""

    task: Task
    protocol: Protocol
    path: str
    """``/package.Service/Method``, or the path of the POST."""
    encode: Callable[[Sample], bytes]
    """Makes the body of a call: a protobuf message, or JSON."""
    decode: Callable[[bytes], Sequence[float]]
    """Reads scores or features out of the body of an answer."""
    expected: Callable[[Sample], NDArray[np.float64]] | None = None
    """What the answer to a sample has to be, where that is not what the task says."""
    variant: str = ""
    """Distinguishes two ways of one peer to do the same task."""
    differs: str = ""
    """What it does less, more or otherwise than Presage; for the reader of the table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where a peer runs, and what it finds there."""

    python: Path
    """The interpreter of its own virtual environment."""
    port: int
    """Where it has to listen, on loopback."""
    spare_port: int
    """Another free port, for a peer that cannot do without."""
    redis_url: str
    """The store, on a unix socket."""
    redis_port: int
    """The same store on loopback, for those who cannot use a socket."""
    model: Path
    """The ONNX file of the shipped bundle."""
    original: Path
    """The LightGBM file that the bundle was made of."""
    rows: Path
    """An ``.npz`` with the visitors and their features, for a peer that loads a store of its own."""
    items: Path
    """An ``.npz`` with the items and their ready features."""
    ranker: Path
    """The LightGBM file of the peers' own ranking model."""
    models: Path
    """Presage's models."""
    folder: Path
    """A folder of its own, or of those that share its preparation; it goes when all is measured."""

    @property
    def variables(self) -> dict[str, str]:
        """The same, as the environment variables that servers read."""
        named = {
            "PORT": self.port,
            "SPARE_PORT": self.spare_port,
            "REDIS_URL": self.redis_url,
            "REDIS_PORT": self.redis_port,
            "MODEL": self.model,
            "ORIGINAL": self.original,
            "ROWS": self.rows,
            "ITEMS": self.items,
            "RANKER": self.ranker,
            "FOLDER": self.folder,
            "FEATURES": ",".join(FEATURES),
        }
        return {f"PEER_{name}": str(value) for name, value in named.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """One server beside which Presage is measured."""

    name: str
    """Permanent: results are kept under it."""
    what: str
    """One line: what it is made of."""
    folder: Path
    """Where its adapter lies, with ``server.py`` and ``requirements.txt``."""
    command: Callable[[Site], Sequence[str]]
    """The command that serves until it gets SIGTERM."""
    cases: tuple[Case, ...]
    prepare: Callable[[Site], Sequence[str]] | None = None
    """A command to run once before the first start, such as one that loads its store."""
    prepared_as: str = ""
    """Peers that share this name share a folder, and the first one's preparation."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables; telemetry is off in here."""
    start_seconds: float = 60.0
    """How long it may take until it answers."""

    @property
    def requirements(self) -> Path:
        """What its virtual environment holds."""
        return self.folder / "requirements.txt"

    @property
    def server(self) -> str:
        """The path of its server's code."""
        return str(self.folder / "server.py")


def pinned(requirements: Path) -> list[str]:
    """Read a requirements file.

    Raises:
        ValueError: A line is not of the form NAME==VERSION.
    """
    lines = [line.partition("#")[0].strip() for line in requirements.read_text().splitlines()]
    wanted = [line for line in lines if line]
    if loose := [line for line in wanted if not _PIN.fullmatch(line)]:
        raise ValueError(f"{requirements.name}: expected NAME==VERSION, got {loose[0]!r}")
    return wanted
