"""Charts of what the benchmarks measured, as SVG: ``python -m benchmarks.charts``."""
