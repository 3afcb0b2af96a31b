"""What a serving host needs of this package has to do without the training libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
import presage_export.{module}
print(*({{"lightgbm", "onnx", "sklearn", "scipy", "xgboost", "pyarrow", "pandas"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize("module", ["bundle", "errors"])
def test_the_serving_side_imports_no_training_library(module):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(module=module)], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == []


def test_the_serving_half_imports_only_itself_the_errors_and_files_of_arrays():
    program = "import sys, presage_export.bundle; print(*(name for name in sys.modules if name.startswith('presage_')))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    others = {name for name in done.stdout.split() if not name.startswith("presage_export.bundle")}
    assert others == {"presage_export", "presage_export.array_files", "presage_export.errors"}


def test_importing_the_package_imports_no_onnx_runtime():
    program = "import sys, presage_export; print('onnxruntime' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "False"
