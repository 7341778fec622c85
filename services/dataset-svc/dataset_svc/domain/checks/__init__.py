"""The checks of an example: what a provider would refuse, and what must not be taught."""

from dataset_svc.domain.checks.catalogue import CODES, Code
from dataset_svc.domain.checks.example import check, errors
from dataset_svc.domain.checks.finding import Finding, finding_of
from dataset_svc.domain.checks.functions import Functions

__all__ = ["CODES", "Code", "Finding", "Functions", "check", "errors", "finding_of"]
