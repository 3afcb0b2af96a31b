"""The contract: methods, decoding of requests, encoding of responses, statuses and limits. Nothing here reads the store."""
