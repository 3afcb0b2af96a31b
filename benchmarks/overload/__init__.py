"""More calls than a server can answer at once, or at all: ``python -m benchmarks.overload``."""
