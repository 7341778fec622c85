"""Everything ops need: the local stack, the provider simulator, the demo."""
