"""A server that rejects every call: what the transport itself can take in.

``python -m benchmarks.overload.rejecting IO_THREADS PATH...``
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc
from pygrpc_native import EVENT_CALL, NativeGrpcFront

from benchmarks.rig.server_parts import end_with_parent

__all__ = ["rejecting_server"]

_MAX_EVENTS, _WAIT_MS = 4_096, 500
_MAX_STREAMS = 256


@contextmanager
def rejecting_server(io_threads: int, paths: Sequence[str]) -> Iterator[str]:
    """Run the server during the context, which gets its HOST:PORT."""
    words = [*end_with_parent(), sys.executable, "-m", __name__, str(io_threads), *paths]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def main() -> None:
    """Reject calls until the process is ended."""
    io_threads, *paths = sys.argv[1:]
    front = NativeGrpcFront(
        "127.0.0.1:0",
        [(path, False) for path in paths],
        io_threads=int(io_threads),
        call_details=True,
        max_concurrent_streams=_MAX_STREAMS,
    )
    front.start()
    print(front.bound_port, flush=True)
    code: int = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    while True:
        for kind, call_id, *_ in front.recv_batch_details(_MAX_EVENTS, _WAIT_MS) or ():
            if kind == EVENT_CALL:
                front.fail(call_id, code, "rejected", [])


if __name__ == "__main__":
    main()
