"""What pages read: the server over gRPC, and its metrics over HTTP."""
