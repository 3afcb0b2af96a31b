"""Run by an environment that has shap: ``python shap_contributions.py FOLDER`` explains pickled models of scikit-learn.

Stands alone: that environment has no Presage. For each ``NAME.pickle`` it writes ``NAME.npy``, float64 [N, 1 + F]: the base, and
the contributions to the margin, of the rows in ``rows.npy``.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    import shap

    folder = Path(sys.argv[1])
    rows = np.load(folder / "rows.npy")
    for path in sorted(folder.glob("*.pickle")):
        explainer = shap.TreeExplainer(pickle.loads(path.read_bytes()))
        contributions = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=np.float64)
        base = np.atleast_1d(explainer.expected_value)
        if contributions.ndim == 3:  # a forest of classifiers: the second class
            contributions, base = contributions[:, :, 1], base[1:]
        np.save(path.with_suffix(".npy"), np.column_stack([np.repeat(base[:1], len(rows)), contributions]))
