"""Personal data in messages: found by pure functions, and given pseudonyms that hold within an example.

Nothing here keeps, logs or raises a text: a find knows where it is, and a value that no repr shows.
"""

from dataset_svc.domain.personal.detect import detect
from dataset_svc.domain.personal.found import KINDS, Found, Kind
from dataset_svc.domain.personal.scan import scan_version

__all__ = ["KINDS", "Found", "Kind", "detect", "scan_version"]
