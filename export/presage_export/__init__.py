"""Trained models to verified ONNX bundles, and bundles to scores.

- ``bundle``: read, verify and run bundles. All that a server imports; needs only NumPy, msgspec and ONNX Runtime.
- ``reading``: read the models of training libraries into an ``AdditiveModel``.
- The modules beside them export: ``exporter`` reads a model, writes it as a graph (``graph``), compares the two (``gate``) and
  writes the bundle. ``additive`` is the form in between, ``errors`` the errors of the whole package.
"""

import os

# Official builds of ONNX Runtime report usage by default, from a thread that starts at import. Only this variable prevents
# that, and only if it is set before the first import. A value that is already set is respected.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
