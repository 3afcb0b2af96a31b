"""The sub-commands of the server's side: serve and version."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from presage_server.errors import StartupError
from presage_server.settings import Settings

__all__ = ["serve", "version"]

_DEFAULTS = Settings()


def serve(  # noqa: PLR0917 - the command line passes names
    host: Annotated[str, typer.Option(envvar="PRESAGE_HOST", help="Address to listen on.")] = _DEFAULTS.host,
    port: Annotated[
        int, typer.Option(envvar="PRESAGE_PORT", help="Port to listen on; 0 picks a free one.")
    ] = _DEFAULTS.port,
    redis_url: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_REDIS_URL",
            help="A Redis (6.2 or newer) or Valkey: redis://, rediss:// or unix://. Without one, an embedded store is started.",
            show_default=False,
        ),
    ] = _DEFAULTS.redis_url,
    models: Annotated[
        Path | None,
        typer.Option(
            envvar="PRESAGE_MODELS", help="Folder of bundles, NAME/VERSION/. Without one, those that come with Presage."
        ),
    ] = None,
    default_model: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_DEFAULT_MODEL", help="Model of a call that names none.", show_default="conversion"
        ),
    ] = _DEFAULTS.default_model,
    data_dir: Annotated[
        Path, typer.Option(envvar="PRESAGE_DATA_DIR", help="Where the embedded store keeps its data.")
    ] = _DEFAULTS.data_dir,
    state_ttl_days: Annotated[
        float, typer.Option(envvar="PRESAGE_STATE_TTL_DAYS", help="A visitor silent for so long is forgotten.")
    ] = _DEFAULTS.state_ttl_days,
    stream_max_events: Annotated[
        int,
        typer.Option(
            envvar="PRESAGE_STREAM_MAX_EVENTS",
            help="Events kept in each of the 1,024 event streams, roughly; 0 keeps all.",
        ),
    ] = _DEFAULTS.stream_max_events,
    store_connections: Annotated[
        int, typer.Option(envvar="PRESAGE_STORE_CONNECTIONS", help="Connections to the store at most.")
    ] = _DEFAULTS.store_connections,
    timeout_ms: Annotated[
        int, typer.Option(envvar="PRESAGE_TIMEOUT_MS", help="What a call may take at most.")
    ] = _DEFAULTS.timeout_ms,
    max_message_bytes: Annotated[
        int, typer.Option(envvar="PRESAGE_MAX_MESSAGE_BYTES", help="The largest request accepted.")
    ] = _DEFAULTS.max_message_bytes,
    drain_delay_seconds: Annotated[
        float,
        typer.Option(
            envvar="PRESAGE_DRAIN_DELAY_SECONDS",
            help="Time after SIGTERM for balancers to see NOT_SERVING and turn away.",
        ),
    ] = _DEFAULTS.drain_delay_seconds,
    drain_seconds: Annotated[
        float, typer.Option(envvar="PRESAGE_DRAIN_SECONDS", help="Time for calls in flight to end after that.")
    ] = _DEFAULTS.drain_seconds,
    reflection: Annotated[
        bool, typer.Option(envvar="PRESAGE_REFLECTION", help="Describe the service to tools such as grpcurl.")
    ] = _DEFAULTS.reflection,
    metrics_port: Annotated[
        int,
        typer.Option(
            envvar="PRESAGE_METRICS_PORT", help="Port for Prometheus metrics; 0 picks a free one, -1 serves none."
        ),
    ] = _DEFAULTS.metrics_port,
) -> None:
    """Serve scores.

    Once calls are answered, prints one line: `presage: serving on HOST:PORT`. SIGTERM and Ctrl-C drain and stop. Every option can
    also be given as a variable `PRESAGE_...`.
    """
    import uvloop  # noqa: PLC0415 - only this command needs it and what follows

    from presage_server.service import serve as run  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = Settings(
            host=host,
            port=port,
            redis_url=redis_url,
            data_dir=data_dir,
            models=models or _DEFAULTS.models,
            default_model=default_model,
            state_ttl_days=state_ttl_days,
            stream_max_events=stream_max_events,
            store_connections=store_connections,
            timeout_ms=timeout_ms,
            max_message_bytes=max_message_bytes,
            drain_delay_seconds=drain_delay_seconds,
            drain_seconds=drain_seconds,
            reflection=reflection,
            metrics_port=metrics_port,
        )
        uvloop.run(run(settings, lambda address: print(f"presage: serving on {address}", flush=True)))  # noqa: T201
    except StartupError as error:
        print(f"presage: cannot serve: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


def version() -> None:
    """Print Presage's version."""
    print(f"presage {installed_version('presage')}")  # noqa: T201 - this is what the command is for
