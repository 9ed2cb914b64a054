"""How long to wait before trying again: doubling, jittered, never nothing."""

from __future__ import annotations

import random

from rayctl.api.moment import Seconds


class Backoff:
    """Waits from ``first`` to ``limit`` seconds, each twice the one before, cut by up to a half at random."""

    def __init__(self, first: Seconds, limit: Seconds) -> None:
        self._first = first
        self._limit = limit
        self._wait = first

    def next(self, limit: Seconds | None = None) -> Seconds:
        """Return the next wait; ``limit`` lowers the limit for this one."""
        wait = min(self._wait, self._limit if limit is None else limit)
        self._wait = min(self._wait * 2, self._limit)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311

    def reset(self) -> None:
        """Begin again at ``first``."""
        self._wait = self._first
