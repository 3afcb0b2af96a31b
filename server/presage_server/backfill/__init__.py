"""Archived events folded into stored states again, under live traffic, and the command that does it.

Reading the archive's files belongs in ``archive``; what an event does to a state in ``presage_featurizer``.
"""
