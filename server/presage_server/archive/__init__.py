"""The archive: event streams followed into Parquet files, every entry once."""
