"""Time, read in one place only. Everything else is told what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

from rayctl.api.moment import Monotonic


class Clock(Protocol):
    """Where the time comes from."""

    def wall(self) -> datetime:
        """Return the time of day, UTC: for people and for the API."""
        ...

    def monotonic(self) -> Monotonic:
        """Return seconds since some moment in the past: for measuring."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> datetime:
        """Return the time of day, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> Monotonic:
        """Return seconds since the machine started, roughly."""
        return Monotonic(time.monotonic())
