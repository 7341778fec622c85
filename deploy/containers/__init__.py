"""Containers on this machine: an engine, the tools, and stand-ins where no image registry answers."""
