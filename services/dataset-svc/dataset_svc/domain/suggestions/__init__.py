"""Which dialogs are worth an owner's look: rules over what was said, by whom, and how it was rated."""

from dataset_svc.domain.suggestions.reason import NAMES, Reason, Said, score
from dataset_svc.domain.suggestions.rules import reasons_of

__all__ = ["NAMES", "Reason", "Said", "reasons_of", "score"]
