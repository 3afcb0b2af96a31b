"""The console's settings. The options of ``presage console`` and the reference page are generated from the fields."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from presage_server.setting_fields import check_field, check_settings, setting

__all__ = ["ConsoleSettings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsoleSettings:
    """Where the console listens, and what it reads.

    Raises:
        SettingsError: A field has a value that cannot work; the message names it.
    """

    host: str = setting(
        "127.0.0.1", "The address to listen on. One that others can reach needs `--tls-cert` or `--insecure`."
    )
    port: int = setting(8_050, "The port to listen on; 0 picks a free one.", low=0, high=65_535)
    server: str = setting(
        "",
        "The server that is shown, HOST:PORT.",
        shown_default="127.0.0.1:50051; with --shop, one that it starts",
    )
    server_token_file: str = setting(
        "",
        "A file with the token that the console reads the server with: its scopes are `score` and `admin`, and with `--shop` also "
        "`track`. It is read again for every call.",
        shown_default="none: the server asks for no token",
    )
    server_tls_ca: str = setting(
        "",
        "A PEM file of the authorities that may sign the server's certificate: the connection speaks TLS.",
        shown_default="none: plain text",
    )
    server_tls_cert: str = setting("", "The console's certificate, if the server asks for one.", shown_default="none")
    server_tls_key: str = setting("", "Its key, without a passphrase.", shown_default="none")
    metrics_url: str = setting(
        "",
        "The server's metrics, such as http://127.0.0.1:9464/metrics (`presage serve --metrics-port 9464`), for the page Live.",
        shown_default="none",
    )
    archive: str = setting(
        "",
        "The folder that `presage archive` writes to: visitors' histories and the comparison of versions are read from it.",
        shown_default="none",
    )
    models: str = setting(
        "",
        "The server's folder of models: what was learned, and what versions were trained on, is read from it.",
        shown_default="none",
    )
    project: str = setting(
        "",
        "The folder of a project, as `presage init` makes it, whose own features the server uses.",
        shown_default="none: the features that come with Presage",
    )
    redis_url: str = setting(
        "",
        "The server's store, which is only read, for the page Drift.",
        shown_default="none",
    )
    shop: bool = setting(False, "Open the demo shop. Without `--server`, a server of its own is started for it.")
    sign_in: str = setting(
        "auto",
        "What needs a sign-in: `changes`, or `everything`. `auto`: everything, except where only this host can reach the console.",
        choices=("auto", "changes", "everything"),
    )
    allowed_hosts: str = setting(
        "",
        "The names that browsers reach the console by, with commas between. Requests for other names are rejected.",
        shown_default="the host that it listens on",
    )
    tls_cert: str = setting("", "The console's own certificate, PEM: pages are served by HTTPS.", shown_default="none")
    tls_key: str = setting("", "Its key.", shown_default="none")
    insecure: bool = setting(
        False, "Listen beyond loopback in plain text, as behind a proxy that speaks TLS: tokens travel unencrypted."
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_field(
            self, "tls_key", bool(self.tls_cert) == bool(self.tls_key), "a file beside tls_cert, and none without"
        )
        check_field(
            self,
            "server_tls_key",
            bool(self.server_tls_cert) == bool(self.server_tls_key),
            "a file beside server_tls_cert, and none without",
        )
        check_field(
            self,
            "host",
            self.is_local or bool(self.tls_cert) or self.insecure,
            "a loopback address, or tls_cert and tls_key, or insecure",
        )
        check_field(
            self,
            "allowed_hosts",
            bool(self.allowed_hosts) or self.host not in {"0.0.0.0", "::", ""},  # noqa: S104 - compared, not listened on
            f"the names that browsers use, since host is {self.host!r}",
        )
        check_field(
            self,
            "metrics_url",
            not self.metrics_url or self.metrics_url.startswith(("http://", "https://")),
            "a URL that starts with http:// or https://",
        )
        for name in ("archive", "models", "project"):
            folder = getattr(self, name)
            check_field(self, name, not folder or Path(folder).is_dir(), "a folder")
        for name in ("server_token_file", "server_tls_ca", "server_tls_cert", "server_tls_key", "tls_cert", "tls_key"):
            file = getattr(self, name)
            check_field(self, name, not file or Path(file).is_file(), "a file")

    @property
    def is_local(self) -> bool:
        """Whether only this host can reach the console."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def reading_needs_sign_in(self) -> bool:
        """Whether pages are shown to signed-in people only."""
        return self.sign_in == "everything" or (self.sign_in == "auto" and not self.is_local)

    @property
    def known_hosts(self) -> frozenset[str]:
        """The names, in lower case and without ports, that requests may be for."""
        named = {name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip()}
        own = {"localhost", "127.0.0.1", "::1"} if self.is_local else {self.host.lower()}
        return frozenset(named or own) if not self.is_local else frozenset(named | own)
