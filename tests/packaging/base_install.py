"""What an install without extras is: the client, and nothing heavy. Run with its interpreter."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

_EXPECTED = {"presage-scoring", "grpcio", "protobuf", "typing_extensions", "pip", "setuptools"}
_OF_THE_CLIENT = {"presage", "presage_client"}


def main() -> None:
    """Check it; raises AssertionError."""
    installed = {distribution.metadata["Name"] for distribution in distributions()}
    assert installed <= _EXPECTED, f"expected {_EXPECTED} at most, got {installed - _EXPECTED} too"

    import presage_client

    ours = {name.partition(".")[0] for name in sys.modules if name.startswith("presage")}
    assert ours == _OF_THE_CLIENT, f"the client has imported {ours - _OF_THE_CLIENT}"
    assert Path(presage_client.__file__).is_relative_to(sysconfig.get_path("purelib"))
    assert presage_client.Event(type=presage_client.EventType.LOGIN, user_id="ada").event_id

    command = Path(sysconfig.get_path("scripts"), "presage")
    alone = subprocess.run([command, "serve"], capture_output=True, text=True, check=False)
    assert alone.returncode == 2, alone
    assert "pip install 'presage-scoring[server]'" in alone.stderr, alone.stderr
    sys.stdout.write(f"base install: {', '.join(sorted(installed))}\n")


if __name__ == "__main__":
    main()
