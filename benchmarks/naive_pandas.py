"""The feature set ``conversion`` as a notebook would compute it: for each row, select the visitor's history, and compute.

For logs of REES46's format, in the order of time. It leaves out that a visitor's fifth session closes the one silent for longest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["naive_rows"]

_IDLE = pd.Timedelta(minutes=30)
_DAY = pd.Timedelta(days=1)
_TYPES = {"view": 2, "cart": 6, "purchase": 13}
_STEPS = {"view": 3, "cart": 4, "purchase": 7}


def naive_rows(path: Path, nth: int) -> NDArray[np.float32]:
    """Compute a row after every nth event of a log."""
    log = pd.read_parquet(path)
    places = range(nth - 1, len(log), nth)
    return np.array([_row(log, place) for place in places], dtype=np.float32)


def _row(log: pd.DataFrame, place: int) -> list[float]:
    event = log.iloc[place]
    now = event["event_time"]
    history = log[(log.index <= place) & (log["user_id"] == event["user_id"])]
    session = history[history["user_session"] == event["user_session"]]
    purchases = history[history["event_type"] == "purchase"]
    views = session[session["event_type"] == "view"]
    priced = views[views["price"] > 0]
    orders, spent = len(purchases), purchases["price"].sum()
    since = purchases["event_time"].max() if orders else history["event_time"].min()
    cart, max_cart_value = _cart(history, event["user_session"])
    units = sum(line["units"] for line in cart.values())
    value = sum(line["units"] * line["price"] for line in cart.values())
    return [
        (now - since) / _DAY,
        orders,
        spent,
        (now - purchases["event_time"].min()) / _DAY if orders else 0.0,
        0.0,
        len(views),
        (session["event_type"] == "cart").sum(),
        views["product_id"].nunique(),
        priced["price"].mean() if len(priced) else 0.0,
        _bounce_rate(history, event),
        units,
        value / units if units else 0.0,
        max_cart_value,
        now.hour,
        _segment(orders, history["user_session"].nunique(), (now - since) / _DAY),
        0.0,
        0.0,
        0.0,
        _TYPES[session["event_type"].iloc[-1]],
        session["event_type"].map(_STEPS).max(),
    ]


def _cart(history: pd.DataFrame, session_id: str) -> tuple[dict[int, dict], float]:
    cart: dict[int, dict] = {}
    most = 0.0
    for _, event in history.iterrows():
        product = event["product_id"]
        if event["event_type"] == "cart":
            units = cart[product]["units"] if product in cart else 0
            cart[product] = {"units": units + 1, "price": event["price"]}
        elif event["event_type"] == "purchase" and product in cart:
            cart[product]["units"] -= 1
            if not cart[product]["units"]:
                del cart[product]
        if event["user_session"] == session_id:
            most = max(most, sum(line["units"] * line["price"] for line in cart.values()))
    return cart, most


def _bounce_rate(history: pd.DataFrame, event: pd.Series) -> float:
    others = history[history["user_session"] != event["user_session"]].groupby("user_session")["event_time"]
    ended = others.count()[event["event_time"] - others.max() > _IDLE]
    return (ended == 1).sum() / len(ended) if len(ended) else 0.0


def _segment(orders: int, sessions: int, days_since_last_order: float) -> int:
    if orders == 0:
        return 1 if sessions > 1 else 0
    if days_since_last_order > 90:
        return 5
    return 4 if orders >= 5 else min(orders, 2) + 1
