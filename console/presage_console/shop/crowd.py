"""The personas that are in the shop: each a task that clicks as a visitor would."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from presage_client import PresageError
from presage_console.errors import RequestError
from presage_console.shop.backend import Click
from presage_console.shop.personas import Persona, Step
from presage_console.shop.products import Product
from presage_console.shop.storefront import Shown, Storefront, new_id
from presage_console.shop.visits import Visit

__all__ = ["Crowd", "PersonaVisit"]

_logger = logging.getLogger(__name__)

_MOST_RUNNING: Final = 6
_REMEMBERED: Final = 6
_SECONDS: Final = (0.7, 1.8)
"""The shortest and the longest pause between two clicks."""


@dataclass(kw_only=True, slots=True, eq=False)
class PersonaVisit:
    """One persona in the shop."""

    number: int
    persona: Persona
    visit: Visit
    top: Sequence[Product] = ()
    """The first products that the shop shows it."""
    steps: int = 0
    state: str = "shopping"
    """``shopping``, ``bought``, ``left``, or ``stopped`` after an error."""


class Crowd:
    """Lets personas shop.

    Args:
        storefront: The shop.
        seed: Persona number N of two crowds with the same seed does the same, as far as the shop shows the same.
        pace: Multiplies the pauses between clicks.
    """

    def __init__(self, storefront: Storefront, *, seed: int, pace: float = 1.0) -> None:
        self._storefront, self._seed, self._pace = storefront, seed, pace
        self._visits: deque[PersonaVisit] = deque(maxlen=_REMEMBERED + _MOST_RUNNING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0

    @property
    def visits(self) -> Sequence[PersonaVisit]:
        """The newest first: all that shop, and some that have left."""
        newest = list(reversed(self._visits))
        gone = [visit for visit in newest if visit.state != "shopping"][:_REMEMBERED]
        return [visit for visit in newest if visit.state == "shopping" or visit in gone]

    async def start(self, persona: Persona) -> PersonaVisit:
        """Let one more persona in.

        Raises:
            RequestError: The shop already has as many as it takes.
            PresageError: The shop cannot be entered.
        """
        visit = await self._storefront.enter()  # before it is counted: others may come while the shop is opened
        if len(self._tasks) >= _MOST_RUNNING:
            raise RequestError(f"{_MOST_RUNNING} personas are in the shop: wait until one leaves", 429)
        self._number += 1
        entered = PersonaVisit(number=self._number, persona=persona, visit=visit)
        self._visits.append(entered)
        task = asyncio.create_task(self._shop(entered, Random(f"{self._seed}/{entered.number}/{persona.name}")))  # noqa: S311 - no secret
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return entered

    async def close(self) -> None:
        """End all visits."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait(self) -> None:
        """Wait until all have left."""
        await asyncio.gather(*self._tasks)

    async def _shop(self, entered: PersonaVisit, random: Random) -> None:
        script = entered.persona.script(random, self._storefront.shelf)
        try:
            step = next(script)
            while True:
                shown = await self._storefront.click(entered.visit, _click(step))
                entered.top = self._products(shown)
                entered.steps += 1
                step = script.send(entered.top)
                await asyncio.sleep(random.uniform(*_SECONDS) * self._pace)
        except StopIteration:
            entered.state = "bought" if entered.visit.orders else "left"
        except PresageError as error:
            entered.state = "stopped"
            _logger.warning("a persona stopped: %s", error)

    def _products(self, shown: Shown) -> Sequence[Product]:
        ranking = shown.insight.ranking
        known = self._storefront.shelf.products
        return [known[item.item_id] for item in ranking.items if item.item_id in known] if ranking is not None else []


def _click(step: Step) -> Click:
    return Click(request_id=new_id(), action=step.action, product=step.product, text=step.text)
