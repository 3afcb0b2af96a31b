"""Lists of two versions whose quality is known, shown to the visitors of a simulated shop, who look at first places more."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from zlib import crc32

import numpy as np

from presage_export.registry import Aliases, Arm, assign
from presage_featurizer import Event
from presage_featurizer.event_log import Exposure
from presage_featurizer.ranking.assembling import digest_numbers
from presage_training.readers.formats.archive import ArchivedEvent
from presage_training.simulator.list_simulation import simulate_lists
from presage_training.simulator.lists import ItemList, ListedItem, ListRequest
from presage_training.simulator.shop import Shop
from presage_training.simulator.tastes import Taste, create_taste
from presage_training.simulator.visitors import create_visitor
from presage_training.verdicts.lists import ListTarget, PairedLists
from presage_training.verdicts.lists.outcomes import find_list_outcomes
from support.exposures import paired_exposure

K = 6
START = 1_760_000_000_000_000
VERSIONS = ("3", "4")


@cache
def a_shop() -> Shop:
    return Shop.create(seed=5, products_per_category=4)


@dataclass
class PlantedLists:
    """A ``ListSource``: each version knows what the visitor likes, but for its own noise.

    Args:
        aliases: Who gets which version.
        noise: The standard deviation of each version's noise.
        seed: Of the visitors.
    """

    aliases: Aliases
    noise: dict[str, float]
    seed: int
    exposures: list[Exposure] = field(default_factory=list)
    _tastes: dict[str, Taste] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Nothing changes what the versions know."""

    def rank(self, request: ListRequest) -> ItemList:
        """Show the list of the version that serves the visitor, and note the scores of both."""
        item_ids = sorted(a_shop().by_id)
        assigned = assign(self.aliases, request.user_id)
        scores = {version: self._scores(request.user_id, version) for version in VERSIONS}
        served = VERSIONS[assigned.arm is Arm.CHALLENGER]
        digests = digest_numbers(item_ids)
        order = np.lexsort((digests, -scores[served]))
        rank_id = f"{len(self.exposures):032x}"
        self.exposures.append(
            paired_exposure(
                request, rank_id, assigned=assigned, served=served, scores=scores, digests=digests, order=order
            )
        )
        return ItemList([ListedItem(item_ids[place]) for place in order[: request.k].tolist()], rank_id)

    def _scores(self, user_id: str, version: str) -> np.ndarray:
        taste = self._tastes.get(user_id)
        if taste is None:
            taste = create_taste(create_visitor(seed=self.seed, index=int(user_id.rpartition("-")[2])))
            self._tastes[user_id] = taste
        random = np.random.default_rng(crc32(f"{user_id}/{version}".encode()))
        products = [product for _, product in sorted(a_shop().by_id.items())]
        likings = np.array([taste.liking(product) for product in products])
        return likings + random.normal(0.0, self.noise[version], len(products))


@dataclass(frozen=True)
class Simulated:
    """What happened in the shop."""

    events: list[Event]
    exposures: list[Exposure]

    def rows(self, target: ListTarget | None = None) -> PairedLists:
        """Join the lists to what visitors took."""
        archived = [ArchivedEvent(event, fresh=False) for event in self.events]
        return find_list_outcomes(
            archived, self.exposures, model="ranking", versions=VERSIONS, target=target or ListTarget(), k=K
        )


@cache
def simulated(
    *, noise_a: float, noise_b: float, share: float = 0.5, visitors: int = 600, days: int = 10, seed: int = 3
) -> Simulated:
    """Simulate a shop that shows version 4, B, to a share of its visitors, and version 3, A, to the others."""
    aliases = Aliases(champion="3", challenger="4", challenger_share=share, salt="s", pairs_share=1.0)
    source = PlantedLists(aliases, {"3": noise_a, "4": noise_b}, seed)
    happened = simulate_lists(
        source, shop=a_shop(), seed=seed, visitors=visitors, start_unix_micros=START, days=days, k=K
    )
    return Simulated(happened.events, source.exposures)
