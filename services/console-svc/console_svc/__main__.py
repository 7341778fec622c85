"""Starts console-svc: `python -m console_svc [--settings]`."""

from chassis.service import main
from console_svc.app import compose
from console_svc.settings import ConsoleSettings

if __name__ == "__main__":
    main(ConsoleSettings, compose)
