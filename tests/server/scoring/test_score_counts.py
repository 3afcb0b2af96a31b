"""What is counted of a batch: by version and arm, in whatever order they come."""

from __future__ import annotations

from random import Random

from presage_export.registry import Arm
from presage_server.errors import InternalError
from presage_server.models.loading import load_models
from presage_server.models.served import Route
from presage_server.scoring.jobs import ScoreJob
from presage_server.scoring.scorer import Scorer
from presage_server.settings import shipped_models
from presage_server.telemetry.metrics import Metrics

MODELS = [load_models(shipped_models())[""] for _ in range(2)]
ROUTES = [Route(model, arm, 0.5) for model in MODELS for arm in (Arm.CHAMPION, Arm.HOLDOUT)]


def job_of(model, route, random: Random) -> ScoreJob:
    job = ScoreJob(None, "ann", "", model, 1, None, lambda *_: None, route)
    job.score = random.choice((0.25, 0.5))  # whose sums are exact
    job.error = InternalError("a test") if random.random() < 0.2 else None
    job.degraded = random.random() < 0.2
    return job


def test_each_score_counts_for_its_version_and_arm():
    random = Random(1)
    routed = [job_of(route.model, route, random) for route in random.choices(ROUTES, k=200)]
    unrouted = [job_of(model, None, random) for model in random.choices(MODELS, k=50)]
    jobs = random.sample(routed + unrouted, 250)
    metrics = Metrics()
    Scorer(metrics).count(jobs)

    for model in MODELS:
        for arm in (0, Arm.CHAMPION, Arm.HOLDOUT):
            own = [job for job in jobs if job.model is model and (job.route.arm if job.route else 0) == arm]
            served = [job for job in own if job.error is None]
            counts = metrics.versions.of_arm(model, arm)
            assert (counts.scores, counts.errors) == (len(served), len(own) - len(served))
            assert counts.score_sum == sum(job.score for job in served)
            assert counts.degraded == sum(job.degraded for job in served)
