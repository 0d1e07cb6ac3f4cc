"""``python -m samnb`` is the same as ``samnb``."""

import sys

from samnb.cli import main

sys.exit(main())
