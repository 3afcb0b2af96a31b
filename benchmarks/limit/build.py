"""Builds the C++ servers from our own sources, with Debian's protobuf, gRPC and hiredis and the wheel's LightGBM."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.rig.command import MissingRequirementError

__all__ = ["Servers", "build_servers", "missing_packages"]

_HERE = Path(__file__).parent
_PROTO = _HERE.parents[1] / "proto"
_BUILT = _HERE / "build"
_FLAGS = ("-O2", "-std=c++20", "-ffp-contract=off", f"-I{_BUILT}")
_TOOLS = {"protoc": "protobuf-compiler", "grpc_cpp_plugin": "protobuf-compiler-grpc", "pkg-config": "pkg-config"}
_PACKAGES = {
    "grpc++": "libgrpc++-dev",
    "protobuf": "libprotobuf-dev",
    "hiredis": "libhiredis-dev",
    "zlib": "zlib1g-dev",
}
_ERROR_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Servers:
    """The programs that were built."""

    echo: Path
    """Answers at once."""
    service: Path
    """Answers as Presage does."""


def missing_packages() -> list[str]:
    """List Debian's packages that the build needs and that are missing here; empty if it can be built."""
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if shutil.which(_compiler()) is None:
        missing.append("g++")
    if "pkg-config" in missing:  # the libraries cannot be found then
        return sorted([*missing, *_PACKAGES.values()])
    found = (
        subprocess.run(("pkg-config", "--exists", module), capture_output=True, check=False).returncode == 0
        for module in _PACKAGES
    )
    return sorted([*missing, *(package for package, there in zip(_PACKAGES.values(), found, strict=True) if not there)])


def build_servers() -> Servers:
    """Build both servers if a source is newer than what was built.

    Raises:
        MissingRequirementError: They cannot be built here.
        RuntimeError: The build failed; the message is the compiler's.
    """
    servers = Servers(echo=_BUILT / "echo", service=_BUILT / "service")
    library = _lightgbm_library()
    if _is_fresh((servers.echo, servers.service), library):
        return servers
    if missing := missing_packages():
        raise MissingRequirementError(
            f"the C++ servers cannot be built without these Debian packages: {' '.join(missing)}"
        )
    _BUILT.mkdir(exist_ok=True)
    generated = _generate()
    sources = [*generated, _HERE / "echo.cc", _HERE / "service.cc"]
    compile_flags, link_flags = (_pkg_config(what) for what in ("--cflags", "--libs"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: _compile(source, compile_flags), sources))
    *shared, echo, service = objects
    lightgbm = (str(library), f"-Wl,-rpath,{library.parent}")
    for program, main, libraries in ((servers.echo, echo, ()), (servers.service, service, lightgbm)):
        _run(_compiler(), "-o", str(program), str(main), *map(str, shared), *libraries, *link_flags, "-pthread")
    return servers


def _is_fresh(programs: Sequence[Path], library: Path) -> bool:
    sources = [*_HERE.glob("*.cc"), *_HERE.glob("*.h"), *_HERE.glob("build.py"), *_protos(), library]
    newest = max(source.stat().st_mtime for source in sources)
    return all(program.exists() and program.stat().st_mtime >= newest for program in programs)


def _generate() -> list[Path]:
    """Generate the protocol's C++; returns its sources."""
    plugin = shutil.which("grpc_cpp_plugin")
    outputs = (f"--cpp_out={_BUILT}", f"--grpc_out={_BUILT}", f"--plugin=protoc-gen-grpc={plugin}")
    _run("protoc", f"-I{_PROTO}", *outputs, *map(str, _protos()))
    return sorted(_BUILT.glob("presage/v1/*.pb.cc"))


def _compile(source: Path, flags: Sequence[str]) -> Path:
    target = _BUILT / f"{source.stem}.o"
    _run(_compiler(), *_FLAGS, *flags, "-c", "-o", str(target), str(source))
    return target


def _protos() -> list[Path]:
    return sorted(_PROTO.glob("presage/v1/*.proto"))


def _pkg_config(what: str) -> list[str]:
    return shlex.split(_run("pkg-config", what, *_PACKAGES))


def _lightgbm_library() -> Path:
    """Find the library in LightGBM's wheel, without importing all that the package imports."""
    spec = find_spec("lightgbm")
    folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else Path()
    library = folder / "lib" / "lib_lightgbm.so"
    if not library.exists():
        raise MissingRequirementError(
            f"the C++ servers need LightGBM's library from its wheel: expected it at {library}"
        )
    return library


def _compiler() -> str:
    return os.environ.get("CXX", "g++")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        first = "\n".join(done.stderr.strip().splitlines()[:_ERROR_LINES])
        raise RuntimeError(f"{shlex.join(command)} failed:\n{first}")
    return done.stdout
