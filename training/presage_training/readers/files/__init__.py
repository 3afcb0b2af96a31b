"""Files of rows: CSV, Excel, JSON lines and Parquet, their columns, and the text, numbers and times in their cells.

Here: what does not depend on what a file is about. Not here: which column means what, and how rows become events (``formats``).
"""
