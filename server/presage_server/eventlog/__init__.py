"""The event streams in the store: the consumer group that reads them, and the sample of served vectors.

The format of what is in them belongs in ``presage_featurizer.event_log``. What a consumer does with the entries belongs in a
package of its own, such as ``archive``.
"""
