"""Starts dialog-svc: `python -m dialog_svc [--settings]`."""

from chassis.service import main
from dialog_svc.app import compose
from dialog_svc.settings import DialogSettings

if __name__ == "__main__":
    main(DialogSettings, compose)
