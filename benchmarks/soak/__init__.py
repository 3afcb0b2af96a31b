"""A long load at a part of what the server can do, and what the store did meanwhile: ``python -m benchmarks.soak``."""
