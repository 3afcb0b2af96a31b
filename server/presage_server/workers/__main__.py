"""``python -m presage_server.workers`` is one worker; only a supervisor starts it."""

from presage_server.workers.worker import main

main()
