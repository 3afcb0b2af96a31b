"""Events folded into visitors' states. Where states are kept belongs to ``store``."""
