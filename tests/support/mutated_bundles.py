"""Try mutated bundles in a process of its own, which may hang or crash: ``python -m support.mutated_bundles SEED COUNT``.

Prints a line of JSON for each mutation: what was changed, what came of it, and the seconds that it took.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from presage_export.bundle.bundle import verify_bundle
from presage_export.bundle.calibration import IsotonicCalibration
from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.errors import BundleError
from presage_export.exporter import export_model
from presage_export.gate import random_rows
from presage_export.reading.source_model import WeightedSum
from presage_featurizer import RFM, FeatureSet
from presage_featurizer.errors import FeatureSetError
from support.bundle_mutations import mutate
from support.bundles import feature_rows
from support.export_models import train

MAX_ERROR = 1e-6
"""What two hosts may differ in."""


def write_bundles(folder):
    """Write boosted trees, and trees with a linear part and a calibration."""
    rows = feature_rows(800, RFM, seed=1)
    labels = rows[:, 0] + rows[:, 2] > 10
    booster = train(rows, labels, rounds=12, objective="binary", num_leaves=10)
    forest = RandomForestClassifier(8, max_leaf_nodes=10, random_state=0).fit(rows, labels)
    logistic = LogisticRegression().fit(rows, labels)
    calibration = IsotonicCalibration(margins=(-3.0, -1.0, 0.0, 1.5, 4.0), probabilities=(0.02, 0.1, 0.4, 0.8, 0.97))
    models = {
        "boosted": (booster, None),
        "forest": (forest, None),
        "blend": (
            WeightedSum(members=(booster, logistic), weights=(0.5, 0.5), intercept=0.25, link="logit"),
            calibration,
        ),
    }
    for name, (model, calibrated) in models.items():
        spec = FeatureSetSpec(**RFM.definition)
        export_model(
            model, folder / name / "1", rows=rows, feature_set=spec, objective="binary", calibration=calibrated
        )
    return [folder / name / "1" for name in models]


def outcome(directory, files, probes, expected):
    """Verify a bundle as a server does, and say what came of it."""
    try:
        bundle = verify_bundle(directory, files.__getitem__)
        FeatureSet.restore(bundle.manifest.feature_set)
    except (BundleError, FeatureSetError) as error:
        return "refused" if str(error).isprintable() else f"refused in many lines: {error!r}"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
        return f"broke: {type(error).__name__}: {str(error)[:200]!r}"
    scores = np.array(bundle.scores(probes))
    if not np.isfinite(scores).all():
        return f"scores differently: {np.count_nonzero(~np.isfinite(scores))} are not finite"
    largest = float(np.max(np.abs(scores - expected)))
    if largest > MAX_ERROR:
        return f"scores differently: by {largest:.2g}"
    return "scores the same" if largest == 0.0 else "scores the same but for rounding"


def main(seed, count):
    warnings.simplefilter("ignore")
    logging.disable()
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        directories = write_bundles(Path(folder))
        originals = [{path.name: path.read_bytes() for path in directory.iterdir()} for directory in directories]
        rows = feature_rows(500, RFM, seed=2)
        probes = np.concatenate([rows, random_rows(rows)]).astype(np.float32)
        expected = [
            np.array(verify_bundle(directory, files.__getitem__).scores(probes))
            for directory, files in zip(directories, originals, strict=True)
        ]
        for _ in range(count):
            place = random.randrange(len(directories))
            change, files = mutate(random, originals[place])
            name = directories[place].parent.name
            # Before the attempt, which may not return.
            _write(json.dumps({"bundle": name, "change": change}), "\t")
            started = time.perf_counter()
            result = outcome(directories[place], files, probes, expected[place])
            _write(json.dumps({"result": result, "seconds": time.perf_counter() - started}), "\n")


def _write(text, end):
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
