"""Bundles pulled from a real MLflow server: ``python -m benchmarks.proofs.mlflow_proof``.

A local server on sqlite runs in an environment of its own; ``presage models pull`` runs in another, which has the extra ``mlflow``
and nothing more. Both are kept in ``build/mlflow``. MLflow's reports of usage are off. Ends with 1 if anything is not as expected.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError

from presage_export.bundle import read_bundle

__all__ = ["main"]

_ROOT = Path(__file__).parents[2]
_ENVIRONMENTS = _ROOT / "build" / "mlflow"
_START_SECONDS = 300.0
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

_REGISTER = """
import sys
import mlflow
uri, bundle, alias = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = mlflow.MlflowClient()
try:
    client.create_registered_model("conversion")
except mlflow.exceptions.MlflowException:
    pass
with mlflow.start_run() as run:
    mlflow.log_artifacts(bundle, "bundle")
made = client.create_model_version("conversion", f"runs:/{run.info.run_id}/bundle", run.info.run_id)
client.set_registered_model_alias("conversion", alias, made.version)
"""


def main() -> int:
    """Register bundles, pull them, and compare."""
    server_python = _environment("server", ["mlflow"])
    client_python = _environment("client", ["-c", str(_ROOT / "constraints.txt"), "-e", f"{_ROOT}[mlflow]"])
    with TemporaryDirectory(prefix="presage-mlflow-") as temporary:
        folder = Path(temporary)
        models = folder / "models"
        shutil.copytree(_ROOT / "models" / "conversion", models / "conversion")
        source = max((models / "conversion").iterdir(), key=lambda path: int(path.name))
        altered = shutil.copytree(source, folder / "altered")
        (altered / "model.onnx").write_bytes((altered / "model.onnx").read_bytes()[:-1])
        ranking = max((_ROOT / "models" / "ranking").iterdir(), key=lambda path: int(path.name))
        with _mlflow_server(server_python, folder) as uri:
            for bundle, alias in ((source, "champion"), (ranking, "ranks"), (altered, "broken")):
                _run([str(server_python), "-c", _REGISTER, uri, str(bundle), alias])
            shutil.rmtree(source)
            checks = _pull_all(client_python, uri, models, source.name)
    for check, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'} {check}")
    return 0 if all(checks.values()) else 1


def _pull_all(python: Path, uri: str, models: Path, version: str) -> dict[str, bool]:
    def pull(alias: str, *flags: str) -> tuple[int, str]:
        command = [str(python.with_name("presage")), "models", "pull", f"mlflow:conversion@{alias}"]
        done = subprocess.run(
            [*command, "--models", str(models), "--tracking-uri", uri, *flags],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | _QUIET,
        )
        print(done.stdout + done.stderr, end="")
        return done.returncode, done.stdout + done.stderr

    def present() -> set[str]:
        return {str(path.relative_to(models)) for path in models.glob("*/*")}

    checks = {}
    checks["the first one keeps its version"] = pull("champion")[0] == 0 and present() == {f"conversion/{version}"}
    shipped = read_bundle(_ROOT / "models" / "conversion" / version)
    checks["its manifest is that of the original"] = (
        read_bundle(models / "conversion" / version).manifest == shipped.manifest
    )
    code, printed = pull("champion")
    checks["pulled again, nothing changes"] = code == 0 and "nothing was changed" in printed
    checks["under another name, it is a version of that"] = (
        pull("champion", "--name", "other")[0] == 0 and (models / "other" / version).is_dir()
    )
    checks["a ranking model is pulled, with its tables"] = pull("ranks")[0] == 0 and any(
        (models / "ranking").glob("*/tables/*.npy")
    )
    before = present()
    code, printed = pull("broken", "--name", "broken")
    checks["an altered bundle is refused by its file, and places nothing"] = (
        code == 2 and "model.onnx" in printed and present() == before
    )
    code, printed = pull("nobody")
    checks["an unknown alias is refused by name"] = code == 2 and "conversion@nobody" in printed
    checks["nothing else is left in the folder"] = not list(models.glob(".*"))
    return checks


@contextmanager
def _mlflow_server(python: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [
                *(
                    str(python.with_name("mlflow")),
                    "server",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(port),
                    "--workers",
                    "1",
                ),
                *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
                *("--artifacts-destination", str(folder / "artifacts")),
            ],
            stdout=written,
            stderr=written,
            env=os.environ | _QUIET,
            cwd=folder,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(uri, process, log)
        yield uri
    finally:
        # It holds nothing that has to be saved, and waits long for its own workers.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_healthy(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5.0):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise SystemExit(f"MLflow does not start here:\n{log.read_text()[-2_000:]}")


def _environment(name: str, requirements: list[str]) -> Path:
    """Make a virtual environment unless it is there; return its interpreter."""
    folder = _ENVIRONMENTS / name
    python, stamp = folder / "bin" / "python", folder / "complete"
    if not stamp.exists():
        print(f"making {folder.relative_to(_ROOT)}, once", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
        stamp.touch()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | _QUIET)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{(done.stderr or done.stdout)[-2_000:]}")


if __name__ == "__main__":
    sys.exit(main())
