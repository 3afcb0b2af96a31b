"""Rounds of mutated requests to one server; after each, the server is asked and the store is looked at."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import redis

from benchmarks.fuzzing.findings import Findings
from benchmarks.fuzzing.requests.drawing import Drawn, RequestMaker
from benchmarks.fuzzing.requests.examples import KNOWN_USER, examples_of, vocabulary_of
from benchmarks.fuzzing.requests.judging import Answer
from benchmarks.fuzzing.requests.methods import METHODS
from benchmarks.fuzzing.requests.sending import Tally, ask, send_all
from benchmarks.fuzzing.requests.server import MAX_MESSAGE_BYTES, FuzzedServer, Setting, serve
from benchmarks.fuzzing.requests.stored import (
    check_visitors,
    describe_changes,
    everything,
    put_visitors,
    settled,
    unix_millis,
)
from presage.v1 import scoring_service_pb2

__all__ = ["RequestReport", "fuzz_requests", "run_round"]

_LASTING = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND})
"""Statuses for reasons that do not pass."""
_AGAIN = 2_000
"""Rejected requests of a round that are sent again, alone, with the store compared before and after."""
_MEMORY_FACTOR, _MEMORY_MB = 1.5, 100.0
"""How much more memory a server may take at the end than after its first round."""
_ERROR_LINE = re.compile(r"^(?!.*presage_server\.models\.).*\b(?:ERROR|CRITICAL|Traceback)\b.*$", re.MULTILINE)
"""But for those of the broken version that the folder has."""
_IN_ERRORS = re.compile(r"[0-9a-f]{12}|\d+")
_SCORE = next(method for method in METHODS if method.name == "Score")


@dataclass
class RequestReport:
    """What came of all rounds with one transport."""

    transport: str
    seed: int
    tally: Tally = field(default_factory=Tally)
    rejected_again: int = 0
    """Rejected requests that were sent a second time, and changed nothing."""
    streamed: int = 0
    """Events in the streams after all rounds."""
    seconds: float = 0.0
    memories_mb: list[float] = field(default_factory=list)
    """Of the server, after each round."""


def fuzz_requests(
    setting: Setting,
    transport: str,
    *,
    seed: int,
    first: int,
    count: int,
    per_round: int,
    findings: Findings,
    on_round: Callable[[RequestReport, int], None] = lambda _report, _done: None,
) -> RequestReport:
    """Send requests to a server of their own.

    Args:
        setting: What they are about.
        transport: ``native`` or ``grpcio``.
        seed: Of the requests.
        first: The number of the first request.
        count: How many there are.
        per_round: After how many the store is looked at.
        findings: Gets what is wrong.
        on_round: Called after each round, with how many requests are done.
    """
    report = RequestReport(transport, seed)
    subjects = setting.subjects
    maker = RequestMaker(seed, examples_of(subjects), vocabulary_of(subjects))
    with (
        tempfile.TemporaryDirectory(prefix="presage-fuzz-") as folder,
        serve(Path(folder), setting, transport) as server,
    ):
        began = time.perf_counter()
        known: list[bytes] = []
        for begin in range(first, first + count, per_round):
            numbers = range(begin, min(begin + per_round, first + count))
            asyncio.run(
                run_round(server.address, server.store_url, setting, map(maker.draw, numbers), report, findings, known)
            )
            report.memories_mb.append(server.memory_mb)
            report.seconds = time.perf_counter() - began
            on_round(report, numbers[-1] + 1 - first)
        _check_process(server, report, findings)
    return report


async def run_round(  # noqa: PLR0917 - of this module and its test
    address: str,
    store_url: str,
    setting: Setting,
    requests: Iterator[Drawn],
    report: RequestReport,
    findings: Findings,
    known: list[bytes],
) -> None:
    """Store the visitors again, send requests, and look at what came of it.

    Args:
        address: The server's.
        store_url: Of its store.
        setting: Has the visitors.
        requests: To send.
        report: Gets what was answered.
        findings: Gets what is wrong.
        known: What a call that is always the same returned first, if anything; gets it.
    """
    with redis.Redis.from_url(store_url) as store:
        states = dict(setting.states) | {KNOWN_USER: setting.world.states[0]}
        put_visitors(store, states, setting.subjects.now_unix_micros)
        await _check_known(address, setting, findings, known)
        tally = Tally()
        kept = Counter[str]()

        def keep(drawn: Drawn, code: grpc.StatusCode) -> bool:
            kept[drawn.method.name] += 1
            # Which versions Explain finds changes with every SetAliases that is accepted meanwhile.
            return code in _LASTING and kept.total() <= _AGAIN and drawn.method.name != "Explain"

        await send_all(address, requests, findings, tally, max_message_bytes=MAX_MESSAGE_BYTES, keep_rejected=keep)
        await _check_known(address, setting, findings, known)
        report.streamed += check_visitors(store, states, tally.applied, findings)
        before = await settled(store, address)
        since = unix_millis(store)
        again = Tally()
        await send_all(address, tally.rejected, findings, again, max_message_bytes=MAX_MESSAGE_BYTES)
        after = everything(store)
        for change in describe_changes(store, before, after, since):
            findings.add("rejected requests change what is stored", f"{len(tally.rejected)} of a round: {change}")
        if accepted := {pair for pair in again.statuses if pair[1] == "OK"}:
            findings.add("a rejected request is accepted when it is sent again", str(accepted))
        report.rejected_again += again.requests
        report.tally.statuses.update(tally.statuses)
        report.tally.applied.update(tally.applied)


async def _check_known(address: str, setting: Setting, findings: Findings, known: list[bytes]) -> None:
    """Check that a score is what it always was."""
    request = scoring_service_pb2.ScoreRequest(
        user_id=KNOWN_USER, include_features=True, as_of_unix_micros=setting.subjects.now_unix_micros
    )
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await ask(channel, _SCORE, request.SerializeToString())
    found = _what_counts(answer)
    if known and found != known[0]:
        findings.add("a known call answers otherwise", f"{answer.code.name} {answer.details}: {found!r}")
    if not known:
        known.append(found)


def _what_counts(answer: Answer) -> bytes:
    """Return an answer without the version, which requests may change: all versions score alike."""
    if not answer.responses:
        return b""
    prediction = scoring_service_pb2.ScoreResponse.FromString(answer.responses[0]).prediction
    for name in ("model_version", "arm"):
        prediction.ClearField(name)
    return prediction.SerializeToString(deterministic=True)


def _check_process(server: FuzzedServer, report: RequestReport, findings: Findings) -> None:
    first, last = report.memories_mb[0], report.memories_mb[-1]
    if last > first * _MEMORY_FACTOR + _MEMORY_MB:
        findings.add("the server's memory grows", f"{first:.0f} MB after the first round, {last:.0f} MB at the end")
    lines = Counter(_IN_ERRORS.sub("#", line) for line in _ERROR_LINE.findall(server.log.read_text(errors="replace")))
    for line, times in lines.most_common():
        findings.add("the server logs an error", f"{times} times: {line[:300]}")
