"""Events to state, state to features: pure and deterministic, with no I/O, no clock and no wire format."""
