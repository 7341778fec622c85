"""One file per thing the service can do."""
