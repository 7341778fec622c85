"""Starts dataset-svc: `python -m dataset_svc [--settings]`."""

from chassis.service import main
from dataset_svc.app import compose
from dataset_svc.settings import DatasetSettings

if __name__ == "__main__":
    main(DatasetSettings, compose)
