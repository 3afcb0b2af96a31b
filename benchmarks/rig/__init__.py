"""Load over the wire: many visitors, calls at once, at a closed loop or a constant rate."""
