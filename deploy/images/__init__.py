"""The images of the services and of the operators' tools."""
