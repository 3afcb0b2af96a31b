<<<<<<< HEAD
"""The page of one visitor: what they did, what the model saw and said at each moment, and why."""
=======
"""The page Visitors."""
>>>>>>> shell
