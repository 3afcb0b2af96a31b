"""Proofs on real logs: what is served is what was trained, and what is replayed is what was live."""
