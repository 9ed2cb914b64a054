"""Clocks for tests: one that is set by hand, and one that goes by the event loop's time."""

import asyncio
from datetime import UTC, datetime, timedelta

from rayctl.api.moment import Monotonic, Seconds

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class SetClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now: Seconds = 1000.0

    def wall(self) -> datetime:
        return NEW_YEAR + timedelta(seconds=self.now - 1000.0)

    def monotonic(self) -> Monotonic:
        return Monotonic(self.now)


class LoopClock:
    """Goes by the loop's time: with looptime, sleeping moves it and nothing else does.

    ``skew`` puts its time of day off; ``ahead`` moves its monotonic time, as a stopped process finds it.
    """

    def __init__(self, skew: Seconds = 0.0) -> None:
        self.skew = skew
        self.ahead: Seconds = 0.0

    def wall(self) -> datetime:
        return NEW_YEAR + timedelta(seconds=self.monotonic() + self.skew)

    def monotonic(self) -> Monotonic:
        return Monotonic(asyncio.get_running_loop().time() + self.ahead)
