"""A price-sensitive shop and its visitors, event by event: seeded, and the same on every run.

``simulate`` has visitors find products by themselves; with ``simulate_lists`` they are shown lists by a source, and have known
tastes, so that it can be said how much better the lists could have been (``presage_training.ranking.regret``).
"""

from presage_training.simulator.list_simulation import ListSimulation, simulate_lists
from presage_training.simulator.list_sources import PopularLists, RandomLists
from presage_training.simulator.lists import ItemList, ListedItem, ListRequest, ListSource
from presage_training.simulator.personas import PERSONAS, Persona
from presage_training.simulator.shop import Product, Shop
from presage_training.simulator.simulation import simulate
from presage_training.simulator.visitors import Visitor, create_visitor

__all__ = [
    "PERSONAS",
    "ItemList",
    "ListRequest",
    "ListSimulation",
    "ListSource",
    "ListedItem",
    "Persona",
    "PopularLists",
    "Product",
    "RandomLists",
    "Shop",
    "Visitor",
    "create_visitor",
    "simulate",
    "simulate_lists",
]
