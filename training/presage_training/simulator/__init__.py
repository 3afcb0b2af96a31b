"""A price-sensitive shop and its visitors, event by event: seeded, and the same on every run."""

from presage_training.simulator.personas import PERSONAS, Persona
from presage_training.simulator.shop import Product, Shop
from presage_training.simulator.simulation import simulate
from presage_training.simulator.visitors import Visitor, create_visitor

__all__ = ["PERSONAS", "Persona", "Product", "Shop", "Visitor", "create_visitor", "simulate"]
