"""Where visitors' states and the event log are kept."""
