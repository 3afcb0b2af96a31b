"""Ranking models: tables of neighbours, questions from a log, the model, and how it compares with what is simpler.

What ranking computes for a visitor belongs to ``presage_featurizer.ranking``; this package makes its tables and its model.
"""
