"""``python -m rayctl``."""

import sys

from rayctl.cli.main import main

sys.exit(main())
