"""The command line: the ``presage`` command, and ``presage serve``. Settings are declared in ``presage_server.settings``."""
