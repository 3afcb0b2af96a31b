"""Tracing: which calls are traced is decided on the hot path, and spans are made of them in another process."""
