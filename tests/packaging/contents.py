"""``python contents.py FILE...``: what a wheel and an sdist must have, and must not."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

_PACKAGES = (
    "presage",
    "presage_client",
    "presage_console",
    "presage_export",
    "presage_featurizer",
    "presage_server",
    "presage_training",
)
_MANY_BYTES = 10_000_000


def main(files: list[str]) -> int:
    """Check each file; exit code 1 with what is wrong."""
    problems = [f"{file}: {problem}" for file in files for problem in check(Path(file))]
    sys.stdout.write("\n".join([*problems, "" if problems else "contents: as they must be\n"]))
    return int(bool(problems))


def check(file: Path) -> list[str]:
    """Return what is wrong with a file."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            names = wheel.namelist()
        expected = [f"{package}/__init__.py" for package in _PACKAGES]
        expected += [
            "presage_client/py.typed",
            "presage_console/py.typed",
            "presage_console/static/console.css",
            "presage_console/static/vendor/SHA256SUMS",
            "presage_console/static/vendor/htmx-LICENSE.txt",
            "presage_console/static/vendor/htmx.min.js",
            "presage_console/templates/base.html",
            "presage_server/py.typed",
            "presage_server/bundles/conversion/3/manifest.json",
        ]
        unwanted = [name for name in names if name.startswith(("tests", "benchmarks", "docs"))]
    else:
        with tarfile.open(file) as sdist:
            names = [name.partition("/")[2] for name in sdist.getnames()]
        expected = [
            "pyproject.toml",
            "constraints.txt",
            "LICENSE",
            "README.md",
            "CHANGELOG.md",
            "models/conversion/3/manifest.json",
        ]
        expected += [
            "proto/presage/v1/event.proto",
            "deploy/docker/Dockerfile",
            "client/examples/node/shop.js",
            "console/vendor.sh",
        ]
        unwanted = [name for name in names if name.startswith((".venv", "build/", ".git/", ".benchmarks"))]
    unwanted += [name for name in names if "__pycache__" in name or "node_modules" in name]
    problems = [f"expected {name}, which is missing" for name in expected if name not in names]
    problems += [f"did not expect {name}" for name in unwanted[:5]]
    if file.stat().st_size > _MANY_BYTES:
        problems.append(f"expected at most {_MANY_BYTES} bytes, got {file.stat().st_size}")
    return problems


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
