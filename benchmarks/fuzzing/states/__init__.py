"""Mutated stored states, through what a server does with them: decoding, features, rankings, and folding of events."""
