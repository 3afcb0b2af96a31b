"""The half of this package that reads trained models: one module per training library, and ``source_model`` for all of them.

What imports LightGBM, XGBoost or scikit-learn belongs here. Every reader returns an ``AdditiveModel``. Exporting one (graph, parity
check, bundle) belongs in the modules beside this package; what serves it belongs in ``bundle``.
"""
