"""Write the bundle of a ranking model: complete or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.manifest import Manifest
from presage_export.bundle.ranking import verify_ranking_bundle
from presage_export.bundle.table_files import TABLES_FOLDER, file_name_of, write_table
from presage_export.bundle.writing import make_files, replaced_directory, require_replaceable
from presage_export.errors import BundleError

__all__ = ["write_ranking_bundle"]


def write_ranking_bundle(
    directory: Path,
    *,
    manifest: Manifest,
    model_bytes: bytes,
    golden_rows: NDArray[np.float32],
    golden_margins: NDArray[np.float64],
    arrays: Mapping[str, NDArray[np.generic]],
    optional_files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Write a bundle as ``write_bundle`` does, with tables, and verify it as ``load_ranking_bundle`` does.

    Args:
        directory: The target, named <name>/<version> as in the manifest; its parents are created.
        manifest: Description of the model, with its ``ranking`` part.
        model_bytes: The serialized ONNX model.
        golden_rows: float32 ``[G, F]``; the last ones are the groups of ``ranking.groups``.
        golden_margins: The source model's margins of them, float64 ``[G]``.
        arrays: The tables by name: int32, uint64 or float32, with one or two dimensions.
        optional_files: Further files by name, of OPTIONAL_FILES.
        overwrite: Whether to replace an existing bundle in ``directory``.

    Returns:
        The manifest as written.

    Raises:
        BundleError: ``directory`` must not be replaced, or ``load_ranking_bundle`` would reject the bundle.
        ValueError: The name of an array or of a file is none that a bundle may have.
    """
    require_replaceable(directory, overwrite=overwrite)
    file_names = {name: file_name_of(name) for name in arrays}
    with replaced_directory(directory) as new:
        (new / TABLES_FOLDER).mkdir()
        digests = {file_names[name]: write_table(new / file_names[name], array) for name, array in arrays.items()}
        manifest, contents = make_files(
            directory,
            manifest,
            model_bytes,
            golden_rows,
            golden_margins,
            digests=digests,
            optional_files=optional_files,
        )
        try:
            verify_ranking_bundle(directory, new, contents.__getitem__)
        except BundleError as error:
            if not error.path.is_relative_to(new):
                raise
            # The folder that it is written in will be gone.
            raise BundleError(directory / error.path.relative_to(new), error.reason) from error
        for file_name, data in contents.items():
            (new / file_name).write_bytes(data)
    return manifest
