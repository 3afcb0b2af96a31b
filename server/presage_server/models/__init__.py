"""Model bundles: found, verified and loaded. Running them on rows belongs to ``scoring``."""
