"""Presage's contracts: protocol buffers and gRPC stubs, one sub-package for each version."""
