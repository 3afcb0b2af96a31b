"""The half of this package that reads trained models: one module for each training library, and ``source_model`` in front of them.

Here belongs what imports LightGBM, XGBoost or scikit-learn. Every reader returns an ``AdditiveModel``; what is done with one
(the graph, the comparison, the export) is in the modules beside this package, and what serves it in ``bundle``.
"""
