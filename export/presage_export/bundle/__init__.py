"""The serving half of this package: the files of a bundle, their verification, and scores.

What a server needs to read and run a bundle belongs here, and may import only NumPy, msgspec, ONNX Runtime, and where they are
installed Numba and cryptography. Reading the models of training libraries belongs in ``reading``; exporting them belongs in the
modules beside the two.
"""

from presage_export.bundle.bundle import Bundle, read_bundle
from presage_export.bundle.copying import copy_bundle, is_same_model, read_foreign_manifest
from presage_export.bundle.explaining import Explanation
from presage_export.bundle.files import OPTIONAL_FILES, read_manifest, read_optional_file
from presage_export.bundle.golden_check import GoldenResult, measure_golden
from presage_export.bundle.manifest import Manifest
from presage_export.bundle.missing import missing_parts
from presage_export.bundle.opening import manifest_digest, open_verified_bundle
from presage_export.bundle.ranking import RankingBundle, is_ranking_bundle, load_ranking_bundle
from presage_export.bundle.signing import check_signature, make_key, read_trusted_keys, sign_bundle
from presage_export.bundle.writing import write_bundle
from presage_export.errors import BundleError, NotExplainableError, SigningKeyError

__all__ = [
    "OPTIONAL_FILES",
    "Bundle",
    "BundleError",
    "Explanation",
    "GoldenResult",
    "Manifest",
    "NotExplainableError",
    "RankingBundle",
    "SigningKeyError",
    "check_signature",
    "copy_bundle",
    "is_ranking_bundle",
    "is_same_model",
    "load_ranking_bundle",
    "make_key",
    "manifest_digest",
    "measure_golden",
    "missing_parts",
    "open_verified_bundle",
    "read_bundle",
    "read_foreign_manifest",
    "read_manifest",
    "read_optional_file",
    "read_trusted_keys",
    "sign_bundle",
    "write_bundle",
]
