"""The event streams in the store: consumer group, positions, and the sample of served vectors.

What is done with the entries belongs elsewhere: Parquet files in ``archive``.
"""
