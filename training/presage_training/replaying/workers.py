"""Replays a log with several processes, each with a share of the visitors."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import msgspec

from presage_featurizer import Event, FeatureSet, FeaturizerError
from presage_training.errors import DatasetError, WorkerError
from presage_training.replaying.decisions import DecisionPoints
from presage_training.replaying.recorder import Recorder
from presage_training.replaying.recording import Recording, merge
from presage_training.traffic.lanes import lane_of

__all__ = ["MAX_WORKERS", "record"]

MAX_WORKERS = 64
"""The limit on processes. A single process reads the log for all of them, so a few keep it busy."""

_BATCH_EVENTS = 1_000

_Step = tuple[Event, int, int]
"""An event, its position in the log, and the newest time in the log by then."""


def record(
    events: Iterable[Event],
    *,
    decisions: DecisionPoints,
    feature_set: FeatureSet,
    workers: int = 1,
    distinct_ids: bool = False,
    now_shift_micros: int = 0,
) -> Recording:
    """Replay a log; the recording depends on the log alone, byte for byte, however many workers there are.

    Args:
        events: The log, in the order in which a server would have received it; read once, and not kept.
        decisions: When to make a row.
        feature_set: The features of a row.
        workers: The number of processes that share the visitors, 1 to MAX_WORKERS; 1 replays in this process.
        distinct_ids: Whether no two events have the same id; see ``Recorder``.
        now_shift_micros: See ``Recorder``.

    Raises:
        DatasetError: The number of workers is out of range.
        FeaturizerError: A feature cannot be computed.
        WorkerError: A worker process ended early.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise DatasetError(f"workers: expected a whole number from 1 to {MAX_WORKERS}, got {workers}")
    if workers > 1:
        return merge(_record_in_processes(events, workers, (decisions, feature_set, distinct_ids, now_shift_micros)))
    recorder = Recorder(decisions, feature_set, distinct_ids=distinct_ids, now_shift_micros=now_shift_micros)
    log_end = 0
    for event, position, clock in _steps(events):
        recorder.add(event, position, clock)
        log_end = clock
    return merge([recorder.finish(log_end)])


def _steps(events: Iterable[Event]) -> Iterator[_Step]:
    clock = 0
    for position, event in enumerate(events):
        clock = max(clock, event.event_time_unix_micros)
        yield event, position, clock


def _record_in_processes(
    events: Iterable[Event], workers: int, settings: tuple[DecisionPoints, FeatureSet, bool, int]
) -> Sequence[Recording]:
    # Spawned, not forked: a fork of a process with threads, which numeric libraries start, can hang.
    context = get_context("spawn")
    with ExitStack() as stack:
        pipes: list[Connection] = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            stack.callback(ours.close)
            process = context.Process(target=_work, args=(theirs, *settings), daemon=True)
            process.start()
            theirs.close()
            stack.callback(_end, process)
            pipes.append(ours)
        log_end = 0
        encode = msgspec.msgpack.Encoder().encode
        batches: list[list[_Step]] = [[] for _ in pipes]
        try:
            for step in _steps(events):
                log_end = step[2]
                share = lane_of(step[0].user_id, workers)
                batches[share].append(step)
                if len(batches[share]) == _BATCH_EVENTS:
                    if pipes[share].poll():
                        _received(pipes[share])  # before its recording is due, a worker sends errors only
                    pipes[share].send_bytes(encode(batches[share]))
                    batches[share] = []
            for pipe, batch in zip(pipes, batches, strict=True):
                pipe.send_bytes(encode(batch))
                pipe.send_bytes(b"")
                pipe.send(log_end)
            return [_received(pipe) for pipe in pipes]
        except (EOFError, ConnectionError) as error:
            raise WorkerError(
                f"one of {workers} worker processes ended early; it may have run out of memory: use fewer workers"
            ) from error


def _received(pipe: Connection) -> Recording:
    """Receive a worker's recording, or raise the error that it sent."""
    result: Recording | FeaturizerError = pipe.recv()
    if isinstance(result, FeaturizerError):
        raise result
    return result


def _work(
    pipe: Connection,
    decisions: DecisionPoints,
    feature_set: FeatureSet,
    distinct_ids: bool,  # noqa: FBT001 - a process's arguments are positional
    now_shift_micros: int,
) -> None:
    """Replay the events from a pipe, and send the recording back."""
    # Ctrl-C reaches all processes of a terminal; the one that reads the log terminates the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    recorder = Recorder(decisions, feature_set, distinct_ids=distinct_ids, now_shift_micros=now_shift_micros)
    decode = msgspec.msgpack.Decoder(list[_Step]).decode
    try:
        try:
            while batch := pipe.recv_bytes():
                for event, position, clock in decode(batch):
                    recorder.add(event, position, clock)
            pipe.send(recorder.finish(pipe.recv()))
        except FeaturizerError as error:
            pipe.send(error)
            while True:
                pipe.recv_bytes()  # until this process is terminated: the other side may be sending
    except (EOFError, ConnectionError):
        return  # the parent process is gone


def _end(process: BaseProcess) -> None:
    """Terminate a worker that has sent its recording, or is not needed any more."""
    process.terminate()
    process.join()
