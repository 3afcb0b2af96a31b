"""Datasets: the rows of a replayed log with the labels of a target, split for training, and checked for leakage.

Here: whatever is known of rows before a model is chosen. Not here: how the rows are made (``replaying``), and what is fitted on
them (``models``, ``experiment``).
"""
