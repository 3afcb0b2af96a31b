"""The cost of a project's own features: a project with twenty declared ones and two in Python, and a load with and without it."""
