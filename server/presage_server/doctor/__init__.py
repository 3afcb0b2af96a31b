"""``presage doctor``: whether a server would serve here as it is set up, and what to do where it would not."""
