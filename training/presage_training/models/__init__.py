"""Models of every kind over plain arrays: search, training, calibration, and the bundles that serve them.

``fit`` makes a ``FittedModel`` of any of ``KINDS``; ``export_fitted`` writes it as a bundle once it is proven to agree.
"""

from presage_training.models.fitted import FittedModel, export_fitted
from presage_training.models.fitting import BASELINES, KINDS, FitOptions, fit
from presage_training.models.rows import Rows

__all__ = ["BASELINES", "KINDS", "FitOptions", "FittedModel", "Rows", "export_fitted", "fit"]
