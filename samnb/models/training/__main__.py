"""`python -m samnb.models.training STAGE ...`."""

import sys

from samnb.models.training.cli import main

if __name__ == "__main__":
    sys.exit(main())
