"""``python -m presage_server.models.verifier`` verifies bundles, out of the way of the process that serves.

It reads one line of JSON, a Request, and writes one, a Finding, for each version as soon as it is known.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import msgspec

from presage_server.models.plan import VerifiedVersion

__all__ = ["Finding", "Request", "main"]

_NICE = 15
_CPU_SECONDS = 120
"""Of one process, for all that it verifies."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to verify."""

    directory: str
    versions: list[tuple[str, str]]
    """Names and versions."""
    project: tuple[str, str] | None = None
    """The texts of the project's features."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one version: either what was verified, or why it cannot be served."""

    name: str
    version: str
    verified: VerifiedVersion | None = None
    problem: str = ""


def main() -> None:
    """Verify what stdin asks for."""
    # Before the imports, which are most of the work: calls go first.
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS + 1))
    from presage_featurizer.custom import CustomFeatures  # noqa: PLC0415
    from presage_server.errors import ModelError  # noqa: PLC0415
    from presage_server.models.loading import describe_version, load_any_model  # noqa: PLC0415

    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    custom = CustomFeatures.parse(*request.project) if request.project else None
    for name, version in request.versions:
        try:
            verified = describe_version(load_any_model(Path(request.directory, name, version), custom))
            finding = Finding(name=name, version=version, verified=verified)
        except ModelError as error:
            finding = Finding(name=name, version=version, problem=str(error))
        except Exception as error:  # noqa: BLE001 - a defect of ours must not let a bundle pass, nor end all
            finding = Finding(name=name, version=version, problem=f"its verification failed: {error!r}"[:500])
        sys.stdout.buffer.write(msgspec.json.encode(finding) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
