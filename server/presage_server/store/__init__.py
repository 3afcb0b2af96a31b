"""The store: connection, commands, keys and stored bytes, and the embedded server. What states mean belongs to the featurizer."""
