"""The same features, candidates and look-ups as by numpy, bit for bit, in a fraction of the time; where numba is installed."""

from presage_featurizer.ranking.compiled.loading import MAX_COMPILED_ITEMS, Kernels, kernels, load_kernels

__all__ = ["MAX_COMPILED_ITEMS", "Kernels", "kernels", "load_kernels"]
