"""Traffic: a log sent to a running server by the client, at full speed or at the pace of a demo.

Here: everything that makes calls. Not here: where the events come from (``readers``, ``simulator``), and what is shown of the calls
(``commands``).
"""
