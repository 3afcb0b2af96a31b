"""Metrics and the interpreter's own pauses. What is counted is decided where it happens."""
