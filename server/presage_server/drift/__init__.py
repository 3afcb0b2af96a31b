"""Drift: what is served is counted in the bins of the model's baseline, kept by hour, and judged by ``presage drift``."""
