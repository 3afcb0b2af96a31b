"""The serving half of this package: a bundle's files, the proof that they are what was written, and margins to scores.

Here belongs what a server needs to read and run a bundle: NumPy, msgspec and ONNX Runtime are enough. What reads the models of
training libraries belongs in ``reading``; what turns them into bundles is in the modules beside these two packages.
"""

from presage_export.bundle.bundle import Bundle, read_bundle
from presage_export.bundle.writing import write_bundle
from presage_export.errors import BundleError

__all__ = ["Bundle", "BundleError", "read_bundle", "write_bundle"]
