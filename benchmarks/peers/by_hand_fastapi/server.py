"""A scoring service as one writes it in another afternoon: FastAPI, uvicorn, redis-py, LightGBM."""

import os
from pathlib import Path

import lightgbm
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from redis import asyncio as redis_asyncio

FEATURES = os.environ["PEER_FEATURES"].split(",")
app = FastAPI()
booster = lightgbm.Booster(model_file=os.environ["PEER_ORIGINAL"])
store = redis_asyncio.Redis.from_url(os.environ["PEER_REDIS_URL"])


class ScoreRequest(BaseModel):
    """The visitor to score."""

    user_id: str


class VectorsRequest(BaseModel):
    """What to score."""

    vectors: list[list[float]]


class Scores(BaseModel):
    """What came out."""

    scores: list[float]
    model: str = "conversion"
    model_version: str = "2"


def _predict(rows: list[list[float]]) -> Scores:
    # One thread: spreading a few rows over threads costs more than it gives.
    return Scores(scores=booster.predict(np.array(rows), num_threads=1).tolist())


@app.post("/score")
async def score(request: ScoreRequest) -> Scores:
    """Read the visitor's ready features, score them."""
    values = await store.hmget(f"features:{request.user_id}", FEATURES)
    return _predict([[float(value) if value is not None else 0.0 for value in values]])


@app.post("/vectors")
async def vectors(request: VectorsRequest) -> Scores:
    """Score the caller's own vectors."""
    return _predict(request.vectors)


if Path(os.environ["PEER_RANKER"]).exists():
    from ranker import router

    app.include_router(router)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PEER_PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        lifespan="off",
    )
