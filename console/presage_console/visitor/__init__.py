"""The page Visitors: what a visitor did, what the model saw and said at each moment, and why."""
