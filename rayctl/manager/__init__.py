"""The operator's process: settings, leadership, health, and the place where all is put together."""
