"""Faults made on purpose to real processes, and what came of them: ``python -m benchmarks.chaos`` writes docs/reliability.md."""
