"""The server's settings. The options of ``presage serve`` and the reference page are generated from the fields."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from presage_server.access.settings import parse_open_parts
from presage_server.errors import SettingsError
from presage_server.setting_fields import check_settings, setting
from presage_server.store.urls import STORE_SCHEMES, STORE_URL_HELP
from presage_server.telemetry.settings import TelemetrySettings
from presage_server.transport.addresses import check_socket, is_unix
from presage_server.transport.tls_settings import TlsSettings

__all__ = ["REMOVED_SETTINGS", "Settings", "shipped_models"]

REMOVED_SETTINGS: Final = MappingProxyType(
    {
        "max_in_flight": "calls are no longer rejected by their number, only when they could not be answered before "
        "their deadline"
    }
)
"""Settings that were removed, and why. For one release, a flag or variable that sets one is an error with the reason."""

_HOUR_SECONDS = 3_600


def shipped_models() -> Path:
    """Find the bundles that come with Presage: inside the installed package, or in the checkout that it was installed from."""
    here = Path(__file__).resolve().parent
    installed = here / "bundles"
    return installed if installed.is_dir() else here.parent.parent / "models"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(TlsSettings, TelemetrySettings):
    """How to serve.

    Raises:
        SettingsError: A field has a value that cannot work; the message names it.
    """

    host: str = setting(
        "127.0.0.1",
        "The address to listen on, or `unix:/PATH` for a socket. One that others can reach needs `--tls-cert` or `--insecure`.",
    )
    port: int = setting(50_051, "The port to listen on; 0 picks a free one. A socket has none.", low=0, high=65_535)
    transport: str = setting(
        "auto",
        "The transport: `grpcio`, `native` (pygrpc-native), or `auto`: native where it is installed.",
        choices=("auto", "grpcio", "native"),
    )
    io_threads: int = setting(
        1,
        "Threads that read and write connections (native). One handles 75,000 calls per second; a second one makes a "
        "single call slower.",
        unit="threads",
        low=1,
        high=64,
    )
    trusted_clients: bool = setting(
        False,
        "Let `native` listen beyond loopback. It inflates compressed requests without a limit: set this only if all clients "
        "are trusted, or a proxy in front rejects such requests.",
    )
    redis_url: str = setting(
        "",
        f"A Redis (6.2 or newer) or Valkey: {STORE_URL_HELP}. Without one, the server starts an embedded store.",
        shown_default="an embedded store",
    )
    store_timeout_ms: int = setting(
        500,
        "How long the store may leave a request unanswered. After that, scores are served degraded at once and events are "
        "rejected, until the store answers a probe.",
        unit="ms",
        low=10,
        high=60_000,
    )
    data_dir: Path = setting(  # noqa: RUF009 - it declares a field
        Path("presage-data"), "The folder where the embedded store keeps its append-only file."
    )
    store_fsync: str = setting(
        "everysec",
        "When the embedded store syncs its append-only file to disk. `everysec`: a power failure may lose the last seconds. "
        "`always`: nothing that was acknowledged is lost, but every write waits for the disk. It also rejects a store of "
        "your own that syncs less often.",
        choices=("everysec", "always"),
    )
    models: Path = setting(  # noqa: RUF009 - it declares a field
        shipped_models(),
        "The folder of model bundles, NAME/VERSION/; the highest version of each name is served, or what its aliases.json names.",
        shown_default="those that come with Presage",
    )
    reload_seconds: float = setting(
        1.0,
        "How often that folder is looked at: new versions and changed aliases serve without a restart; 0: only at start.",
        unit="s",
        low=0,
        high=3_600,
    )
    require_signature: str = setting(
        "",
        "A file of public keys, PEM. Only bundles that one of them signed are served; others are rejected by name. It is read "
        "again with every version that is verified.",
        shown_default="none: bundles need no signature",
    )
    project: str = setting(
        "",
        "The folder of a project, as `presage init` makes it: its own features are folded into visitors' states, and models "
        "that were trained on them can be served.",
        shown_default="none: the features that come with Presage",
    )
    default_model: str = setting(
        "",
        "The model for calls that name none.",
        shown_default="that in defaults.json, conversion, or the only one",
    )
    default_ranking_model: str = setting(
        "",
        "The model for calls of RankingService that name none.",
        shown_default="that in defaults.json, ranking, or the only one",
    )
    placements: str = setting(
        "",
        "The TOML file with the rules of each placement that lists are ranked for.",
        shown_default="none: only the rules that hold by default",
    )
    allow_set_aliases: bool = setting(
        False,
        "Let callers change which versions serve, with `ModelService.SetAliases`: every caller, or with `--tokens-file` those with "
        "the scope `admin`. Without it, only `presage models` does, on a host that can write the folder.",
    )
    tokens_file: str = setting(
        "",
        "The file of the tokens that callers need, as `presage tokens` makes it; it is checked every second.",
        shown_default="none: every caller may make every call",
    )
    open_without_token: str = setting(
        "health",
        "What callers can use without a token: any of `health`, `reflection` and `metrics`, with commas between, or `none`. The "
        "others need a token, with any scope.",
    )
    state_ttl_days: float = setting(
        30.0, "A visitor is forgotten after this time without an event.", unit="days", low=0.001, high=3_650
    )
    stream_max_events: int = setting(
        10_000,
        "How many events each of the 1,024 event streams keeps, roughly, before it drops the oldest; 0 keeps all.",
        unit="events",
        low=0,
        high=10**9,
    )
    timeout_ms: int = setting(
        1_000, "The longest that a call may take, whatever deadline its caller set.", unit="ms", low=1, high=600_000
    )
    max_message_bytes: int = setting(
        4 << 20, "The largest request that is accepted.", unit="bytes", low=1_024, high=2**31 - 1
    )
    drain_delay_seconds: float = setting(
        0.0,
        "How long to keep serving after SIGTERM, with health at NOT_SERVING, so that load balancers can send calls elsewhere.",
        unit="s",
        low=0,
        high=3_600,
    )
    drain_seconds: float = setting(
        10.0, "How long calls in flight may take to finish after that.", unit="s", low=0, high=3_600
    )
    sample_vectors_share: float = setting(
        0.0,
        "The share of scores, and of the ranked lists in the event log, whose features are also logged, for `presage audit` to "
        "compare with a replay.",
        low=0,
        high=1,
    )
    exposures_share: float = setting(
        0.01,
        "The share of ranked lists that are written to the event log, for training and for judging other rules. Each takes about "
        "4 kB of the store's memory: 1 with lists that are to be judged, and a store that has room for them.",
        low=0,
        high=1,
    )
    count_served: bool = setting(
        True,
        "Count served features and scores by hour, in the bins of the model's baseline, for `presage drift`.",
    )
    follow_items: bool = setting(
        True,
        "Count items from the event streams, in a process beside the server. Of all servers of a store, one at a time does it; "
        "without any, run `presage items follow`, or items have no statistics.",
    )
    item_bucket_seconds: int = setting(
        60,
        "How often the items' statistics are brought up to date: a divisor of 3600. Fixed with the first bucket that is stored.",
        unit="s",
        low=1,
        high=3_600,
    )
    log_level: str = setting(
        "info", "The least severe messages that are logged, to stderr.", choices=("debug", "info", "warning", "error")
    )
    log_id_key: str = setting(
        "",
        "A secret with which logs hash visitors' ids, best given as a variable; `presage forget --log-id` prints a visitor's "
        "hash.",
        shown_default="none: anyone who knows an id can find its lines",
    )
    reflection: bool = setting(True, "Describe the service to tools such as grpcurl.")
    workers: int = setting(
        1,
        "Processes that serve the port; the kernel distributes connections between them. More than 1 needs Linux.",
        unit="processes",
        low=1,
        high=256,
    )
    metrics_port: int = setting(
        -1,
        "The port for Prometheus metrics over HTTP, on the same address; 0 picks a free one, -1 serves none.",
        low=-1,
        high=65_535,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        self.check_telemetry()
        if not self.host:
            raise SettingsError(f"host: expected an address or a host name, got {self.host!r}")
        if is_unix(self.host):
            check_socket(self.host)
            if self.workers > 1:
                raise SettingsError(
                    f"workers: expected 1 with a unix socket, which processes cannot share, got {self.workers}; listen on 127.0.0.1"
                )
        self.check_tls(self.host)
        if self.redis_url and not self.redis_url.startswith(STORE_SCHEMES):  # it may hold a password: never shown
            raise SettingsError(f"redis_url: expected one of {', '.join(STORE_SCHEMES)}..., got a URL of another kind")
        parse_open_parts(self.open_without_token)
        if _HOUR_SECONDS % self.item_bucket_seconds:
            raise SettingsError(f"item_bucket_seconds: expected a divisor of 3600, got {self.item_bucket_seconds}")
        if self.workers > 1 and sys.platform != "linux":
            raise SettingsError(f"workers: expected 1, as only Linux distributes connections, got {self.workers}")
