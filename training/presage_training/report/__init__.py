"""Results of models: metrics with intervals, curves, slices, importance, and a page that shows them.

``measure_model`` makes a ``ModelResult`` of scores; ``Results`` holds those of one run; ``write_results`` writes them as JSON and
as a self-contained HTML page.
"""

from presage_training.report.measuring import MeasuredModel, measure_model
from presage_training.report.metrics import Metric, MetricDraws, Resamples, best_threshold
from presage_training.report.results import DataFacts, ModelResult, PartFacts, Results, encode_results
from presage_training.report.writing import PAGE_FILE, RESULTS_FILE, write_results

__all__ = [
    "PAGE_FILE",
    "RESULTS_FILE",
    "DataFacts",
    "MeasuredModel",
    "Metric",
    "MetricDraws",
    "ModelResult",
    "PartFacts",
    "Resamples",
    "Results",
    "best_threshold",
    "encode_results",
    "measure_model",
    "write_results",
]
