"""A store that is a Redis Cluster: which server has which partition, a link to each, and commands that follow their keys."""
