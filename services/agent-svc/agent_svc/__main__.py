"""Starts agent-svc: `python -m agent_svc [--settings]`."""

from agent_svc.app import compose
from agent_svc.settings import AgentSettings
from chassis.service import main

if __name__ == "__main__":
    main(AgentSettings, compose)
