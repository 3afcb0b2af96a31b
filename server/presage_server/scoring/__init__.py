"""Features and scores of visitors whose state has been read."""
