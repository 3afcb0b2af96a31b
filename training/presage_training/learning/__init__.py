"""``presage learn``: a model that follows its own archive.

``cycle`` is the loop; ``retraining`` trains in a process of its own, ``gate`` decides whether the new version may be tried, and the
package ``verdicts`` decides whether a challenger is promoted. ``prior`` makes what serves before there is a model. Models that rank
have their own ``ranking_learner``, ``ranking_training``, ``ranking_gate`` and ``ranking_prior``.
"""

from presage_export.registry import Verdict, read_verdicts
from presage_training.learning.gate import GateReport, GateRules, judge
from presage_training.learning.learner import Learner
from presage_training.learning.options import LearnOptions, RankLearnOptions
from presage_training.learning.prior import PRIOR_KIND, fit_prior, write_prior
from presage_training.learning.process import StoppedError
from presage_training.learning.ranking_gate import RankGateRules, judge_ranking
from presage_training.learning.ranking_learner import RankingLearner
from presage_training.learning.ranking_prior import write_ranking_prior

__all__ = [
    "PRIOR_KIND",
    "GateReport",
    "GateRules",
    "LearnOptions",
    "Learner",
    "RankGateRules",
    "RankLearnOptions",
    "RankingLearner",
    "StoppedError",
    "Verdict",
    "fit_prior",
    "judge",
    "judge_ranking",
    "read_verdicts",
    "write_prior",
    "write_ranking_prior",
]
