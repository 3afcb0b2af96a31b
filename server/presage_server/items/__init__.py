"""Items: the follower that counts them from the event streams, the catalogue's changes, and the columns of each server.

What the columns are belongs in ``presage_featurizer.ranking``.
"""
