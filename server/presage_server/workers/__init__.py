"""Several processes that answer on one port: a supervisor that keeps them up, and what it and they tell each other."""
