"""What the service reaches: its tables, object storage, the provider."""
