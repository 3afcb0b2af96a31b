"""Processes: one that serves, several that share a port, and how they stop. The server's parts are put together in ``app``."""
