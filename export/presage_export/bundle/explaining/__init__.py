"""Why a model's margin is what it is: the contribution of each feature.

What computes contributions from a bundle belongs here, and may import what ``bundle`` may. What words say of them belongs to who
serves them.
"""

from presage_export.bundle.explaining.explainer import Explainer, Explanation
from presage_export.errors import NotExplainableError

__all__ = ["Explainer", "Explanation", "NotExplainableError"]
