"""Feast's own feature server."""
