"""The archive: entries of the event log as Parquet files, each exactly once, and the command that writes them.

Reading the streams belongs in ``eventlog``; the names of files and columns in ``presage_featurizer.event_log``.
"""
