"""The command line: ``presage serve`` and the loader of sub-commands. Settings themselves are in ``presage_server.settings``."""
