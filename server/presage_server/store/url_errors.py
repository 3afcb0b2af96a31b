"""Why a store's URL is invalid, without the password in it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["check_url", "describe_url_error"]

_EXPECTED = (
    "expected redis://[user[:password]@]host[:port][/db], rediss://... or unix:///path; write / ? # @ : % in a password as "
    "%2F %3F %23 %40 %3A %25"
)


def check_url(url: str) -> None:
    """Raise ValueError if a password seems to end a part of the URL early: the rest would be parsed as a host, and shown."""
    split = urlsplit(url)
    if split.scheme != "unix" and (
        "@" in split.path + split.fragment or ("@" in split.query and "@" not in split.netloc)
    ):
        raise ValueError("there is an @ behind the host")


def describe_url_error(url: str, error: Exception) -> str:
    """Return the error's text, or only what is expected if the text has any part of the URL that may be of a password.

    A password with a character that ends a URL's part is taken for something else, such as the port, and then shown.
    """
    text = str(error)
    _, _, rest = url.partition("://")
    secret, at, _ = rest.rpartition("@")
    parts = [*re.split(r"\W+", secret if at else rest), *re.findall(r"(?:password|username)=([^&#]+)", url)]
    return _EXPECTED if any(part and part in text for part in parts) else f"{text}; {_EXPECTED}"
