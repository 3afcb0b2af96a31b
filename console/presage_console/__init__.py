"""The web console: pages that show a running server, in a process of its own.

Here: everything that makes pages. Not here: what they show, which comes through gRPC, from the metrics endpoint, and from files
beside the console. Nothing imports this package.
"""
