"""From event logs to models: replay, datasets, training, all through the featurizer that serves live traffic."""

import os

# Official ONNX Runtime builds report usage over the network unless this is set before their first import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
