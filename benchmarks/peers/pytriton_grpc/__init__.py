"""PyTriton: Triton with a model in Python."""
