"""The page Shop."""
