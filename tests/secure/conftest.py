"""Whoever runs these tests alone gets secure servers, too."""

import os

from deploy.stack.keeper import SECURED

os.environ[SECURED] = "1"
