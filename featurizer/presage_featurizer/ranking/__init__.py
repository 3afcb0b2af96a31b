"""Ranking items for a visitor: items as columns, candidates, and features of visitor and item together.

Pure and deterministic as the rest of this package: live ranking and training use these functions, so that a logged ranking can be
computed again, bit for bit. Tables of neighbours are made by training and only read here.
"""
