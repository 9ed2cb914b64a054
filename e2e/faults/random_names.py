"""The operator, broken on purpose: each attempt to make a pod gives it another name.

For the test of the checker, which has to find what comes of it.
"""

from __future__ import annotations

import secrets
import sys
from unittest.mock import patch

from rayctl.api.names import PodName
from rayctl.cli.main import main
from rayctl.core.reconcile import slots

if __name__ == "__main__":
    with patch.object(slots, "pod_name", lambda prefix, *_: PodName(prefix + secrets.token_hex(3))):
        sys.exit(main())
