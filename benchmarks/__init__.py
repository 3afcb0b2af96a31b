"""Measurements: how long each stage takes, and whether live and replayed features agree on whole real logs."""
