"""Feast's library in a server of one's own."""
