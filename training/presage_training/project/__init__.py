"""A project: the folder in which a shop keeps its own features, the mapping of its log, and what its models predict.

Here: reading and writing the folder, and the option ``--project``. Not here: what a declared feature means
(``presage_featurizer.custom``).
"""
