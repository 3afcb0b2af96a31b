"""Fuzzers with seeds: mutated requests, bundles and stored states; see ``python -m benchmarks.fuzzing --help``."""
