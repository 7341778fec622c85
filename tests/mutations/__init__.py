"""Each protection taken away in turn: the named test must then fail."""
