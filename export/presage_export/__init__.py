"""Trained models to verified ONNX bundles, and bundles to margins.

Two sides share this package and import it apart. Serving needs ``bundle``, ``session``, ``link``, ``calibration`` and
``manifest``: NumPy, msgspec and ONNX Runtime. Exporting adds ``exporter``, ``gate`` and a reader for each training library.
"""

import os

# Official builds of ONNX Runtime report usage by default, from a thread of their own that starts at import. Only this
# variable prevents that, and only if it is set before the first import; who sets it to something else has decided.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
