"""Agents, their sealed keys, routes and the chat gateway."""
