"""Presage beside other ways to serve scores, in one run on one machine: ``python -m benchmarks.peers``."""
