"""Mortarboard's events: what crosses a service boundary."""
