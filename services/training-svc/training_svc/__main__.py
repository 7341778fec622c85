"""Start training-svc: `python -m training_svc [--settings]`."""

from chassis.service import main
from training_svc.app import compose
from training_svc.settings import TrainingSettings

if __name__ == "__main__":
    main(TrainingSettings, compose)
