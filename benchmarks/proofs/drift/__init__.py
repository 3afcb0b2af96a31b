"""Drift, proven on simulated traffic: planted shifts raise the right alarm within a day, quiet weeks raise none."""
