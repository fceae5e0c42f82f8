"""The commands of ``python -m offline``, one a module: they read options and call what does the work."""
