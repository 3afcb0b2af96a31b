"""The Presage server: gRPC services over visitors' state in Redis and models in ONNX Runtime."""

import os

# Official ONNX Runtime builds report usage over the network unless this is set before their first import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
