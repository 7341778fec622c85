"""`python -m deploy.demo`: as `./dev demo`; in the image of development tools only with --running."""

import sys

from deploy.demo import main

sys.exit(main(sys.argv[1:]))
