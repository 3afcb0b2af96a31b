"""Mutated bundles, through what verifies and loads them before they serve."""
