"""A queue of keys: each at most once in it, each handled by one worker at a time, later when told so.

The semantics are those of client-go's workqueue: a key that is added while it is handled comes again
afterwards, so no change is lost; a key that keeps failing is retried after 0.2 s, then twice as long, up to
30 s.

Unlike there, what was begun comes before what was not: of a thousand clusters that are posted together the
first are complete while the last have nothing, instead of all being complete at the very end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

SOONEST = 0.001
"""Seconds. A timer may ring a little early; what is not quite due then must not come again at once."""
FIRST_RETRY = 0.2
LONGEST_RETRY = 30.0
_NEW_EVERY = 4
"""One key in so many is a new one, whatever is going on with the others."""


class WorkQueue(Generic[Key]):
    """Keys that are due. To be used from one event loop."""

    def __init__(self) -> None:
        self._ready: deque[Key] = deque()
        self._new: deque[Key] = deque()
        self._begun: set[Key] = set()
        self._taken = 0
        self._queued: set[Key] = set()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """Return how many keys are due now."""
        return len(self._ready) + len(self._new)

    def add(self, key: Key) -> None:
        """Make a key due now; once more after the present handling, where it is being handled."""
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            (self._ready if key in self._begun else self._new).append(key)
            self._filled.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Make a key due in a while; an earlier appointment of the same key stands."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(seconds, SOONEST)
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._due, key)

    def retry(self, key: Key) -> float:
        """Make a key that failed due after its back-off; return the seconds until then."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(failures, 10))
        self.add_after(key, delay)
        return delay

    def forgive(self, key: Key) -> None:
        """Forget that a key failed: its next failure is its first."""
        self._failures.pop(key, None)

    def forget(self, key: Key) -> None:
        """Forget a key that is being handled and has come to its end: when it comes again, it is new."""
        self._begun.discard(key)

    async def get(self) -> Key:
        """Wait for a key that is due and take it. Its handler calls :meth:`done`.

        Others have their turn before each key: a handler that finds nothing to do waits for nothing, and a
        thousand of them in a row would hold up what was sent, and the renewal of the lease.
        """
        await asyncio.sleep(0)
        while not self._ready and not self._new:
            self._filled.clear()
            await self._filled.wait()
        self._taken += 1
        new = self._new and (not self._ready or self._taken % _NEW_EVERY == 0)
        key = (self._new if new else self._ready).popleft()
        self._begun.add(key)
        self._queued.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: Key) -> None:
        """Say that a key taken by :meth:`get` was handled, well or not."""
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def clear(self) -> None:
        """Forget all keys, appointments and failures."""
        for timer in self._timers.values():
            timer.cancel()
        for line in (self._ready, self._new):
            line.clear()
        for state in (self._begun, self._queued, self._busy, self._again, self._timers, self._failures):
            state.clear()

    def _due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)
