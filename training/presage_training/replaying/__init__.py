"""Replaying a log: its events folded by the code that serves live traffic, and a row at each decision point.

Here: when a row is made, the fold over a log, the columns that it leaves, and the processes that share the work. Not here: what the
columns say about a target (``datasets``), and where events come from (``readers``, ``simulator``).
"""
