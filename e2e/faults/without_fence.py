"""The operator, broken on purpose: its writer never asks whether the lease still holds.

For the test of the checker, which has to find what comes of it.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

from rayctl.cli.main import main
from rayctl.kube.client import CALL_TIMEOUT
from rayctl.kube.writer import Writer

if __name__ == "__main__":
    with patch.object(Writer, "_check", lambda _writer, _call: CALL_TIMEOUT):
        sys.exit(main())
