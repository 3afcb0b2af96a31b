"""``make bench-learn``: what retraining beside a server does to the latencies of Score."""
