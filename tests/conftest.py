"""Fixtures for all tests; real servers start with the first test that asks for them."""

pytest_plugins = ["tests.fixtures_stack"]
