"""How calls arrive and replies leave: HTTP/2 and gRPC framing. What a call means belongs to ``rpc``."""
