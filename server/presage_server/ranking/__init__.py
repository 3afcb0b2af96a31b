"""Items ranked for visitors whose state has been read: candidates, features, scores, rules, and the log of what was returned."""
