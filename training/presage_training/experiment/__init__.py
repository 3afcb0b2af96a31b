"""From a log to a run: models of several kinds on the same rows, measured, checked, exported and reported."""

from presage_training.experiment.comparing import Experiment, cross_validate, run_experiment
from presage_training.experiment.evaluating import evaluate_bundle
from presage_training.experiment.logs import LogFile, LogSource, PredictionTask, SimulatedShop, read_dataset
from presage_training.experiment.planning import (
    DEFAULT_KINDS,
    ExperimentOptions,
    Parts,
    choose_kinds,
    split_parts,
    to_rows,
)
from presage_training.experiment.runs import BundleOutput, train_on_log

__all__ = [
    "DEFAULT_KINDS",
    "BundleOutput",
    "Experiment",
    "ExperimentOptions",
    "LogFile",
    "LogSource",
    "Parts",
    "PredictionTask",
    "SimulatedShop",
    "choose_kinds",
    "cross_validate",
    "evaluate_bundle",
    "read_dataset",
    "run_experiment",
    "split_parts",
    "to_rows",
    "train_on_log",
]
