"""``presage learn``: a model that follows its own archive.

``learner`` is the loop; ``retraining`` trains in a process of its own, ``gate`` decides whether the new version may be tried, and
the package ``verdicts`` decides whether a challenger is promoted. ``prior`` makes what serves before there is a model.
"""

from presage_training.learning.gate import GateReport, GateRules, judge
from presage_training.learning.learner import Learner
from presage_training.learning.options import LearnOptions
from presage_training.learning.prior import PRIOR_KIND, fit_prior, write_prior
from presage_training.learning.process import StoppedError
from presage_training.learning.state import Verdict, read_verdicts

__all__ = [
    "PRIOR_KIND",
    "GateReport",
    "GateRules",
    "LearnOptions",
    "Learner",
    "StoppedError",
    "Verdict",
    "fit_prior",
    "judge",
    "read_verdicts",
    "write_prior",
]
