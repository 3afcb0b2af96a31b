"""``python -m presage_server`` is the ``presage`` command."""

from presage_server.cli.command_line import main

main()
