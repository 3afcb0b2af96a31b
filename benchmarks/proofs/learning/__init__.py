"""A service that learns from its events while visitors change what they do."""
