"""A served model with a baseline, and scores of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from redis.asyncio import Redis

from presage_export.drift import BASELINE_FILE, HOUR_MICROS, Column, ServedRows, build_baseline, pack_baseline
from presage_featurizer import CONVERSION
from presage_server.drift.counting import ServedCounts
from presage_server.drift.publishing import CountsPublisher
from presage_server.models.loading import load_model
from presage_server.models.model import Model
from presage_server.scoring.jobs import ScoreJob
from presage_server.telemetry.stages import Stages
from support.bundles import feature_rows, write_small_bundle

MIN_VISITORS = 100


def some_rows(hours: int, *, first_hour: int = 0, visitors_an_hour: int = 150, seed: int = 0) -> ServedRows:
    """Two rows of each of some visitors in every hour, with scores as the last column."""
    count = 2 * hours * visitors_an_hour
    values = feature_rows(count, CONVERSION, seed=seed)
    scores = np.random.default_rng(seed).random((count, 1)).astype(np.float32)
    return ServedRows(
        values=np.hstack([values, scores]),
        times_unix_micros=(first_hour + np.arange(count) // (2 * visitors_an_hour)) * HOUR_MICROS,
        visitors=np.arange(count) // 2 + seed * 1_000_000,
    )


def write_bundle_with_baseline(models: Path, *, name: str = "conversion", version: str = "1") -> Path:
    """Write a bundle whose baseline is that of a day of ``some_rows``; returns its folder."""
    columns = [Column(default=0.0)] * (len(CONVERSION.features) + 1)
    baseline = build_baseline(some_rows(24), columns, time_zone="UTC", seed=0, min_visitors=MIN_VISITORS)
    write_small_bundle(models, name=name, version=version, optional_files={BASELINE_FILE: pack_baseline(baseline)})
    return models / name / version


def scored(model: Model, rows: ServedRows) -> list[ScoreJob]:
    """What a server has scored."""
    jobs = []
    for place in range(len(rows)):
        job = ScoreJob(None, f"visitor-{rows.visitors[place]}", "", model, 0, Stages(0.0), lambda *_: None)
        job.rows, job.row, job.score = np.ascontiguousarray(rows.values[:, :-1]), place, float(rows.values[place, -1])
        jobs.append(job)
    return jobs


async def serve_hours(
    redis_url: str,
    models: Path,
    *,
    hours: int,
    spoilt_hours: int = 0,
    visitors_an_hour: int = 150,
    now_unix_micros: int,
) -> None:
    """Have a server count some hours that have just ended, the last ones without any page views.

    Args:
        redis_url: The store.
        models: As ``write_bundle_with_baseline`` makes it.
        hours: How many hours.
        spoilt_hours: How many of them have no page views.
        visitors_an_hour: How many visitors are scored in each, twice.
        now_unix_micros: The last one ends with the hour before this moment.
    """
    model = load_model(models / "conversion" / "1")
    now = now_unix_micros - hours * HOUR_MICROS
    counts = ServedCounts(lambda: now)
    async with Redis.from_url(redis_url) as redis:
        publisher = CountsPublisher(counts, redis, writer="a")
        for hour in range(hours):
            rows = some_rows(1, visitors_an_hour=visitors_an_hour, seed=hour + 1)
            if hour >= hours - spoilt_hours:
                values = np.where(np.arange(rows.values.shape[1]) == 4, np.float32(0), rows.values)
                rows = replace(rows, values=values)
            counts.note(scored(model, rows))
            await publisher.publish()
            now += HOUR_MICROS
        await publisher.publish()
