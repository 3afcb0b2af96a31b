"""The page Live: what the server does now, read from its metrics. Everything but ``routes`` and ``feed`` is plain functions."""
