"""Checks of how a server is set up: its settings, models, addresses, and the files that it reads and writes."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage_server.access.tokens import read_tokens
from presage_server.doctor.check import Check, Outcome
from presage_server.errors import ModelError, SettingsError, TokensError
from presage_server.models.loading import load_models
from presage_server.models.placements import read_placements
from presage_server.models.project import read_project
from presage_server.settings import Settings
from presage_server.telemetry.exposition import listen
from presage_server.tracing.exporting import missing_libraries
from presage_server.transport.addresses import http_host, is_loopback, is_unix
from presage_server.transport.choosing import choose_transport, native_version

__all__ = [
    "check_access",
    "check_data_dir",
    "check_models",
    "check_port",
    "check_secrets",
    "check_tracing",
    "check_transport",
]

_CONNECT_SECONDS = 2.0
_MIN_FREE_BYTES = 1 << 30
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SECRET_FILES = ("tls_key",)
_FILES = ("tls_cert", "tls_client_ca")


def check_transport(settings: Settings) -> Iterator[Check]:
    """What would carry the calls, and who could read them."""
    try:
        name, reason = choose_transport(settings)
    except SettingsError as error:
        yield Check("transport", Outcome.FAIL, str(error), "pip install --upgrade 'presage-scoring[server,native]'")
    else:
        if name == "native" or settings.transport == "grpcio" or settings.tls_cert:
            yield Check("transport", Outcome.OK, f"{name} ({reason})")
        else:
            remedy = "pip install 'presage-scoring[native]'"
            if native_version():
                remedy = "have a proxy in front reject compressed requests, and give --trusted-clients"
            yield Check("transport", Outcome.WARN, f"{name} ({reason}): native takes several times the calls", remedy)
    if is_loopback(settings.host) or settings.tls_cert:
        yield Check(
            "encryption",
            Outcome.OK,
            f"on {settings.host}: {'TLS' if settings.tls_cert else 'this machine only'}",
        )
    else:
        remedy = "listen on 127.0.0.1 behind a proxy that speaks TLS, or give a certificate"
        yield Check(
            "encryption", Outcome.WARN, f"on {settings.host}: other machines can connect, in plain text", remedy
        )


def check_models(settings: Settings) -> Iterator[Check]:
    """The project, the placements and the bundles, verified and loaded as a server would."""
    try:
        custom = read_project(settings.project)
        read_placements(settings.placements)
        models = load_models(
            settings.models,
            settings.default_model,
            custom,
            default_ranking=settings.default_ranking_model,
            trusted=settings.require_signature,
        )
    except (SettingsError, ModelError) as error:
        yield Check(
            "models",
            Outcome.FAIL,
            str(error),
            f"presage models list --models {settings.models}, and see release-a-model.md",
        )
        return
    served = [f"{model.name} {model.version}" for model in (*models, *models.ranking_models)]
    yield Check("models", Outcome.OK, f"{settings.models} serves {', '.join(served)}")
    for name, count in models.rejected.items():
        if count:
            found = f"{count} of the versions of {name} cannot be served, and an older one is"
            yield Check("models", Outcome.WARN, found, f"presage models show {name} says why; replace or remove them")
    if settings.allow_set_aliases and not os.access(settings.models, os.W_OK):
        found = f"allow_set_aliases: {settings.models} cannot be written"
        yield Check(
            "models", Outcome.FAIL, found, "give this user the right to write the folder, or unset allow_set_aliases"
        )


def check_port(settings: Settings) -> Iterator[Check]:
    """Whether the addresses can be listened on."""
    calls = () if is_unix(settings.host) else (("port", settings.port),)
    for name, port in (*calls, ("metrics_port", settings.metrics_port)):
        if port < 0:
            remedy = "--metrics-port 9464, and scrape it: see observe.md"
            yield Check(name, Outcome.WARN, "no metrics are served, so trouble would go unnoticed", remedy)
            continue
        try:
            for one in listen(http_host(settings.host), port):
                one.close()
        except SettingsError as error:
            if name == "port" and _answers_health(settings.host, port):
                found = f"a gRPC server answers on {settings.host}:{port} already"
                yield Check(
                    name,
                    Outcome.WARN,
                    found,
                    "nothing, if it is the server that this is about; else give another --port",
                )
            else:
                text = str(error).partition(": ")[2]
                flag = f"--{name.replace('_', '-')}"
                yield Check(name, Outcome.FAIL, text, f"end what listens there, or give another {flag} or --host")
        else:
            yield Check(name, Outcome.OK, f"{http_host(settings.host)}:{port or 'a free one'} can be listened on")


def check_data_dir(settings: Settings) -> Iterator[Check]:
    """The folder of the embedded store."""
    if settings.redis_url:
        return
    folder = settings.data_dir.resolve()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield Check(
            "data folder",
            Outcome.FAIL,
            f"{folder} cannot be written",
            "chown it to this user, or give another --data-dir",
        )
        return
    free = shutil.disk_usage(place).free
    if free < _MIN_FREE_BYTES:
        found = f"{folder}: {free >> 20} MB are free on its disk"
        yield Check("data folder", Outcome.WARN, found, "make room: the store rejects events when its disk is full")
    elif folder.exists() and folder.stat().st_mode & _OTHERS & ~0o055:
        yield Check("data folder", Outcome.WARN, f"{folder}: others can write it", f"chmod 700 {folder}")
    elif folder.exists() and folder.stat().st_mode & _OTHERS:
        yield Check("data folder", Outcome.WARN, f"{folder}: others can read what visitors did", f"chmod 700 {folder}")
    else:
        yield Check("data folder", Outcome.OK, f"{folder}, with {free >> 30} GB free")


def check_access(settings: Settings) -> Iterator[Check]:
    """The tokens file, read as a server would."""
    if settings.tokens_file:
        try:
            tokens = read_tokens(Path(settings.tokens_file))
        except TokensError as error:
            yield Check("access", Outcome.FAIL, str(error), "presage tokens add makes such a file")
        else:
            yield Check("access", Outcome.OK, f"{len(tokens)} tokens in {settings.tokens_file}")
    elif is_loopback(settings.host):
        yield Check("access", Outcome.OK, "no tokens: everyone on this machine can use every call")
    else:
        found = f"no tokens: everyone who reaches {settings.host} can use every call"
        yield Check("access", Outcome.WARN, found, "presage tokens add, then --tokens-file: see control-access.md")


def check_secrets(settings: Settings) -> Iterator[Check]:
    """The files of keys and certificates that the settings name."""
    for name in (*_SECRET_FILES, *_FILES):
        path = getattr(settings, name)
        if not path:
            continue
        try:
            with Path(path).open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        except OSError as error:
            yield Check(
                name, Outcome.FAIL, f"{path} cannot be read: {error.strerror}", "give a file that this user can read"
            )
            continue
        if name in _SECRET_FILES and mode & stat.S_IRWXO:
            yield Check(name, Outcome.FAIL, f"{path} has mode {mode:04o}: everybody can read it", f"chmod 600 {path}")
        else:
            yield Check(name, Outcome.OK, f"{path} can be read")


def check_tracing(settings: Settings) -> Iterator[Check]:
    """The collector of traces."""
    if not settings.trace_endpoint:
        if settings.trace_share:
            remedy = "give --trace-endpoint, or leave --trace-share out"
            yield Check("tracing", Outcome.WARN, "trace_share has no effect without trace_endpoint", remedy)
        return
    if missing := missing_libraries():
        yield Check(
            "tracing", Outcome.FAIL, f"{', '.join(missing)} are missing", "pip install 'presage-scoring[tracing]'"
        )
        return
    url = urlsplit(settings.trace_endpoint)
    try:
        socket.create_connection((url.hostname or "", url.port or 4317), _CONNECT_SECONDS).close()
    except OSError as error:
        found = f"nothing listens at {settings.trace_endpoint}: {error}"
        yield Check(
            "tracing",
            Outcome.WARN,
            found,
            "start the collector; calls are served without it, and their traces are lost",
        )
    else:
        yield Check("tracing", Outcome.OK, f"{settings.trace_endpoint} can be connected to")


def _answers_health(host: str, port: int) -> bool:
    with grpc.insecure_channel(f"{host}:{port}", options=(("grpc.enable_http_proxy", 0),)) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_CONNECT_SECONDS)
        except grpc.RpcError as error:
            return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)
    return True
