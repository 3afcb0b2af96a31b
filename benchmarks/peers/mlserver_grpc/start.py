"""Writes MLServer's settings into the server's folder and starts it."""

import json
import os
import sys
from pathlib import Path

SETTINGS = {
    "debug": False,
    "host": "127.0.0.1",
    "grpc_port": int(os.environ["PEER_PORT"]),
    "http_port": int(os.environ["PEER_SPARE_PORT"]),
    "metrics_endpoint": None,
    "parallel_workers": 0,  # inference in the server's own process: a hop to another one costs more than the model
}
MODEL = {"name": "conversion", "implementation": "server.OnnxModel"}

Path("settings.json").write_text(json.dumps(SETTINGS))
Path("model-settings.json").write_text(json.dumps(MODEL))
mlserver = str(Path(sys.executable).parent / "mlserver")
os.execv(mlserver, [mlserver, "start", "."])
