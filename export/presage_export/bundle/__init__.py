"""The serving half of this package: the files of a bundle, their verification, and scores.

What a server needs to read and run a bundle belongs here, and may import only NumPy, msgspec and ONNX Runtime. Reading the models
of training libraries belongs in ``reading``; exporting them belongs in the modules beside the two.
"""

from presage_export.bundle.bundle import Bundle, read_bundle
from presage_export.bundle.opening import manifest_digest, open_verified_bundle
from presage_export.bundle.ranking import RankingBundle, is_ranking_bundle, load_ranking_bundle
from presage_export.bundle.writing import write_bundle
from presage_export.errors import BundleError

__all__ = [
    "Bundle",
    "BundleError",
    "RankingBundle",
    "is_ranking_bundle",
    "load_ranking_bundle",
    "manifest_digest",
    "open_verified_bundle",
    "read_bundle",
    "write_bundle",
]
