"""Exit codes: the only map from what happened to a number. They are interface and do not change."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    """Bad flags, or no cluster to talk to."""
    NOT_FOUND = 3
