"""FastAPI, redis-py and LightGBM by hand."""
