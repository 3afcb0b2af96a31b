"""``python -m presage_server`` is the ``presage`` command."""

from presage_server.command_line import main

main()
