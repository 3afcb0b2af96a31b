"""The archive: entries of the event log as Parquet files, each exactly once. Reading the streams belongs to ``eventlog``."""
