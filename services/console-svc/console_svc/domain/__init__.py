"""States, rules and errors: plain Python, no I/O."""
