"""The page Visitors."""
