"""Takes in live dialogs, completes them and serves them."""
