"""Mutated requests, sent over the wire to a server of each transport, and what is expected of the answers."""
