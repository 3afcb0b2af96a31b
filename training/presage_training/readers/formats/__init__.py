"""Formats of event logs: what the rows of a file mean, and how they become events.

Here: one reader for each format that has a name, one for those that a mapping file describes, and what only they need. Not here:
how rows are read from a file (``readers.files``), and the order of events (``readers.sorting``).
"""
