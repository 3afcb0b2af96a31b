"""What happens to a batch of calls between the transport and the reply, and which calls are accepted.

How bytes arrive belongs to ``transport``, what they mean to ``rpc``.
"""
