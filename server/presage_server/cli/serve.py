"""The sub-commands of the server's side: serve and version."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import typer

from presage_server.errors import StartupError
from presage_server.settings import Settings

__all__ = ["serve", "version"]

_DEFAULTS = Settings()


def _option(field: str, text: str, *, show_default: bool | str = True) -> Any:
    """Make the option of a setting: its variable is PRESAGE_ and its name in capitals."""
    # The help of a dozen options is easier to read without a dozen variables of the same form.
    return typer.Option(envvar=f"PRESAGE_{field.upper()}", show_envvar=False, help=text, show_default=show_default)


def serve(  # noqa: PLR0917 - the command line passes names
    host: Annotated[str, _option("host", "Address to listen on.")] = _DEFAULTS.host,
    port: Annotated[int, _option("port", "Port to listen on; 0 picks a free one.")] = _DEFAULTS.port,
    transport: Annotated[
        str,
        _option("transport", "What carries the calls: grpcio, native (pygrpc-native), or auto: native if installed."),
    ] = _DEFAULTS.transport,
    io_threads: Annotated[
        int, _option("io_threads", "Threads that read and write connections (native).")
    ] = _DEFAULTS.io_threads,
    redis_url: Annotated[
        str,
        _option(
            "redis_url",
            "A Redis (6.2 or newer) or Valkey: redis://, rediss:// or unix://. Without one, an embedded store is started.",
            show_default=False,
        ),
    ] = _DEFAULTS.redis_url,
    models: Annotated[
        Path, _option("models", "Folder of bundles, NAME/VERSION/.", show_default="those that come with Presage")
    ] = _DEFAULTS.models,
    default_model: Annotated[
        str, _option("default_model", "Model of a call that names none.", show_default="conversion, or the only one")
    ] = _DEFAULTS.default_model,
    data_dir: Annotated[Path, _option("data_dir", "Where the embedded store keeps its data.")] = _DEFAULTS.data_dir,
    state_ttl_days: Annotated[
        float, _option("state_ttl_days", "A visitor silent for so long is forgotten.")
    ] = _DEFAULTS.state_ttl_days,
    stream_max_events: Annotated[
        int, _option("stream_max_events", "Events kept in each of the 1,024 event streams, roughly; 0 keeps all.")
    ] = _DEFAULTS.stream_max_events,
    max_in_flight: Annotated[
        int, _option("max_in_flight", "Calls under way at once; further ones are told to try again.")
    ] = _DEFAULTS.max_in_flight,
    timeout_ms: Annotated[int, _option("timeout_ms", "What a call may take at most.")] = _DEFAULTS.timeout_ms,
    max_message_bytes: Annotated[
        int, _option("max_message_bytes", "The largest request accepted.")
    ] = _DEFAULTS.max_message_bytes,
    drain_delay_seconds: Annotated[
        float, _option("drain_delay_seconds", "Time after SIGTERM for balancers to see NOT_SERVING and turn away.")
    ] = _DEFAULTS.drain_delay_seconds,
    drain_seconds: Annotated[
        float, _option("drain_seconds", "Time for calls in flight to end after that.")
    ] = _DEFAULTS.drain_seconds,
    sample_vectors_share: Annotated[
        float,
        _option("sample_vectors_share", "Share of the scores whose features are logged for presage audit, 0 to 1."),
    ] = _DEFAULTS.sample_vectors_share,
    reflection: Annotated[
        bool, _option("reflection", "Describe the service to tools such as grpcurl.")
    ] = _DEFAULTS.reflection,
    workers: Annotated[
        int, _option("workers", "Processes that answer on the port, each on a core of its own.")
    ] = _DEFAULTS.workers,
    metrics_port: Annotated[
        int, _option("metrics_port", "Port for Prometheus metrics; 0 picks a free one, -1 serves none.")
    ] = _DEFAULTS.metrics_port,
) -> None:
    """Serve scores.

    Once calls are answered, prints one line: `presage: serving on HOST:PORT`. SIGTERM and Ctrl-C drain and stop. Every option can
    also be given as a variable: `PRESAGE_` and its name in capitals, as in `PRESAGE_REDIS_URL`.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = Settings(
            host=host,
            port=port,
            transport=transport,
            io_threads=io_threads,
            redis_url=redis_url,
            data_dir=data_dir,
            models=models,
            default_model=default_model,
            state_ttl_days=state_ttl_days,
            stream_max_events=stream_max_events,
            max_in_flight=max_in_flight,
            timeout_ms=timeout_ms,
            max_message_bytes=max_message_bytes,
            drain_delay_seconds=drain_delay_seconds,
            drain_seconds=drain_seconds,
            sample_vectors_share=sample_vectors_share,
            reflection=reflection,
            workers=workers,
            metrics_port=metrics_port,
        )
        _run(settings, lambda address: print(f"presage: serving on {address}", flush=True))  # noqa: T201
    except StartupError as error:
        print(f"presage: cannot serve: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


def _run(settings: Settings, announce: Callable[[str], None]) -> None:
    # Only this command needs what follows; and a supervisor does without what only its workers need.
    if settings.workers > 1:
        from presage_server.workers.supervisor import supervise  # noqa: PLC0415

        asyncio.run(supervise(settings, announce))
    else:
        import uvloop  # noqa: PLC0415

        from presage_server.workers.serving import serve as serve_alone  # noqa: PLC0415

        uvloop.run(serve_alone(settings, announce))


def version() -> None:
    """Print Presage's version."""
    print(f"presage {installed_version('presage')}")  # noqa: T201 - this is what the command is for
