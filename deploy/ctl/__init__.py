"""mortarboardctl: what operators do to any cluster."""
